"""Boolean expressions over what a request may hold: kept, simplified, decided exactly, put into words."""
