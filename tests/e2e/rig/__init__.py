"""What the end-to-end tests and the demo are played with: a network, a server and PCs."""
