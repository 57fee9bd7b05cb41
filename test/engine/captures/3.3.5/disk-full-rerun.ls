d         60 .
d         40 ./graph.db
