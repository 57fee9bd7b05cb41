d       4096 .
d       4096 ./graph.db
d       4096 ./graph.db/temp-copy
f     327600 ./graph.db/temp-copy/neostore.nodestore.db
f       8192 ./graph.db/temp-copy/neostore.nodestore.db.labels
f       8190 ./graph.db/temp-copy/neostore.propertystore.db.index
f       8192 ./graph.db/temp-copy/neostore.propertystore.db.index.keys
f    3145728 ./graph.db/temp-copy/neostore.propertystore.db.strings
