"""What the scanner talks about: frozen values without behaviour of their own. Imports nothing of ours."""
