d       4096 .
d       4096 ./graph.db
d       4096 ./graph.db/temp-copy
f    3145728 ./graph.db/temp-copy/neostore.propertystore.db.strings
f       8192 ./graph.db/temp-copy/neostore.schemastore.db
