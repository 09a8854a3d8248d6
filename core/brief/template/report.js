"use strict"
const screens = [...document.querySelectorAll(".screen")]
const body = document.body
let at = 0
const show = (to) => {
  at = Math.min(Math.max(to, 0), screens.length - 1)
  screens.forEach((screen, number) => screen.classList.toggle("at", number === at))
  document.getElementById("at").textContent = `${at + 1} / ${screens.length}`
  document.getElementById("back").disabled = at === 0
  document.getElementById("forward").disabled = at === screens.length - 1
  window.scrollTo(0, 0)
}
const present = (on) => {
  body.classList.toggle("present", on)
  if (on) show(at)
  else if (document.fullscreenElement) document.exitFullscreen()
}
const full = () => {
  if (document.fullscreenElement) document.exitFullscreen()
  else document.documentElement.requestFullscreen?.().catch(() => {})
}
document.getElementById("present").addEventListener("click", () => { at = 0; present(true); full() })
document.getElementById("back").addEventListener("click", () => show(at - 1))
document.getElementById("forward").addEventListener("click", () => show(at + 1))
document.getElementById("end").addEventListener("click", () => present(false))
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const on = body.classList.contains("present")
  if (event.key === "p" && !on) { at = 0; present(true) }
  if (!on) return
  if (["ArrowRight", "ArrowDown", "PageDown", " "].includes(event.key)) { event.preventDefault(); show(at + 1) }
  if (["ArrowLeft", "ArrowUp", "PageUp"].includes(event.key)) { event.preventDefault(); show(at - 1) }
  if (event.key === "Home") show(0)
  if (event.key === "End") show(screens.length - 1)
  if (event.key === "f") full()
  if (event.key === "Escape") present(false)
})
const folds = [...document.querySelectorAll("details")]
let closed = []
window.addEventListener("beforeprint", () => {
  present(false)
  closed = folds.filter((fold) => !fold.open)
  closed.forEach((fold) => { fold.open = true })
})
window.addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false }))
if (location.hash === "#present") present(true)
