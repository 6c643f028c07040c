"""Drafts for others: over HTTP, and for a hospital's archive."""
