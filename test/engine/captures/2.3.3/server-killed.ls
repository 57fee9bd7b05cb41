d       4096 .
d       4096 ./graph.db
d       4096 ./graph.db/temp-copy
f    7340032 ./graph.db/temp-copy/neostore.propertystore.db.strings
f       8192 ./graph.db/temp-copy/neostore.schemastore.db
