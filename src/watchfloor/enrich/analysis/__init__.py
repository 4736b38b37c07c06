"""Analysis of one event's own content: pure, cheap, deterministic. Each module documents the answer it gives."""
