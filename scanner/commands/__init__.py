"""The commands of `kms-scan`, one module per occasion; each is loaded only when it is called."""
