"""Care of a workspace: what takes room in it, cleaning up with a way back, and finding and mending what is wrong."""
