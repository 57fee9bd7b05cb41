d         60 .
d         60 ./graph.db
d         80 ./graph.db/temp-copy
f    8380416 ./graph.db/temp-copy/neostore.propertystore.db.strings
f       8192 ./graph.db/temp-copy/neostore.schemastore.db
