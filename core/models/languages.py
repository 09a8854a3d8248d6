"""What translation models call languages: a token in the vocabulary, or a word in the text."""

import re
from collections.abc import Mapping

NAMES: Mapping[str, tuple[str, str]] = {  # ISO 639-1 -> ISO 639-3 with the usual script, English name
    "ar": ("arb_Arab", "Arabic"),
    "bg": ("bul_Cyrl", "Bulgarian"),
    "ca": ("cat_Latn", "Catalan"),
    "cs": ("ces_Latn", "Czech"),
    "da": ("dan_Latn", "Danish"),
    "de": ("deu_Latn", "German"),
    "el": ("ell_Grek", "Greek"),
    "en": ("eng_Latn", "English"),
    "es": ("spa_Latn", "Spanish"),
    "et": ("est_Latn", "Estonian"),
    "fa": ("pes_Arab", "Persian"),
    "fi": ("fin_Latn", "Finnish"),
    "fr": ("fra_Latn", "French"),
    "he": ("heb_Hebr", "Hebrew"),
    "hi": ("hin_Deva", "Hindi"),
    "hr": ("hrv_Latn", "Croatian"),
    "hu": ("hun_Latn", "Hungarian"),
    "id": ("ind_Latn", "Indonesian"),
    "it": ("ita_Latn", "Italian"),
    "ja": ("jpn_Jpan", "Japanese"),
    "ko": ("kor_Hang", "Korean"),
    "lt": ("lit_Latn", "Lithuanian"),
    "lv": ("lvs_Latn", "Latvian"),
    "nl": ("nld_Latn", "Dutch"),
    "no": ("nob_Latn", "Norwegian"),
    "pl": ("pol_Latn", "Polish"),
    "pt": ("por_Latn", "Portuguese"),
    "ro": ("ron_Latn", "Romanian"),
    "ru": ("rus_Cyrl", "Russian"),
    "sk": ("slk_Latn", "Slovak"),
    "sl": ("slv_Latn", "Slovenian"),
    "sv": ("swe_Latn", "Swedish"),
    "th": ("tha_Thai", "Thai"),
    "tr": ("tur_Latn", "Turkish"),
    "uk": ("ukr_Cyrl", "Ukrainian"),
    "vi": ("vie_Latn", "Vietnamese"),
    "zh": ("zho_Hans", "Chinese"),
}


def english(code: str) -> str:
    """The English name of a language; its code where none is known."""
    return NAMES[code][1] if code in NAMES else code


def token(code: str) -> re.Pattern[str]:
    """How a language's token is spelt, whichever model it is: NLLB, mBART, M2M100, MADLAD, Marian."""
    whole = NAMES[code][0] if code in NAMES else code
    short = whole.partition("_")[0]
    return re.compile(rf"{whole}|{code}_[A-Z]{{2}}|__{code}__|<2{code}>|>>(?:{code}|{short}|{whole})<<")
