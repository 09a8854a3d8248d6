"""Learning on: one model that learns from one corpus after another, and what it keeps of those before."""
