"""What looks at clips: public networks from local folders, and the theatre, which knows its puppets."""
