"""`python dev.py annotate`: from raw films to training shards. Not shipped."""
