"""`python dev.py score`: every figure of a folder of films, as tables, a summary and a page. Not shipped."""
