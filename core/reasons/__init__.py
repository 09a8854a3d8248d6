"""Why a trained run says what it says: the words that it hangs on, and the rows that taught it."""
