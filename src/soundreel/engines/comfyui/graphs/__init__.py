"""What is asked of a server: graphs, nodes, file names. `client` reads its `schema` only."""
