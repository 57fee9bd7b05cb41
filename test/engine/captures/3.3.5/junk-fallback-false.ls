d       4096 .
d       4096 ./graph.db
f         13 ./graph.db/notes.txt
