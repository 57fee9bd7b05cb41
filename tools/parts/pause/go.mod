module parts.neo4j-backup.dev/pause

go 1.26.0
