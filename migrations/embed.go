// Package migrations holds the database schema as numbered SQL files, one set for each database. Files are append-only: what has
// been released never changes. Both sets have the same numbers and names and lead to the same schema.
package migrations

import "embed"

// FS holds the directories postgres and sqlite.
//
//go:embed postgres/*.sql sqlite/*.sql
var FS embed.FS
