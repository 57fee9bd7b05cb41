d       4096 .
d       4096 ./graph.db
