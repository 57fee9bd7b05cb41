JAVA_OPTS=-Xmx256m neo4j-backup -host=no-such-host.invalid -port=6362 -to=/w/still/graph.db -verify=true
