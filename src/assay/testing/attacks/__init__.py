"""Files of one's own that try to fool the judge, and files that do not: each must be caught, or pass without alarm."""
