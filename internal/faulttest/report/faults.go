package main

// fault is a row of the table.
type fault struct {
	n     int
	title string
	// notOn gives, for each engine that it is not proven on, the reason.
	notOn map[string]string
}

func (f fault) reason(engine string) string { return f.notOn[engine] }

const (
	oneFile = "its database is a file of one process, without a server or a connection"
	oneNode = "one process serves a SQLite database"
	silent  = "orgbridge sends nothing out yet"
)

func onPostgres(reason string) map[string]string { return map[string]string{sqlite: reason} }
func onSQLite(reason string) map[string]string   { return map[string]string{postgres: reason} }

func nowhere(reason string) map[string]string {
	return map[string]string{sqlite: reason, postgres: reason}
}

// faults are those that have to be survived.
func faults() []fault {
	return []fault{
		{1, "The process is killed during a sync, at each of its steps and at random", nil},
		{2, "The process is killed between commit and answer", nil},
		{3, "SIGTERM with requests and a sync under way; a second one", nil},
		{4, "A panic in a handler, in a job", nil},
		{5, "Jobs that cannot be read, of an unknown kind, that always fail", nil},
		{6, "A sync that hangs and comes back after another owner took it over", nil},
		{7, "Goroutines, connections or files leak over time", nil},
		{8, "256 MiB of memory for 100,000 organizations", nil},
		{9, "The server process of a connection is killed", onPostgres(oneFile)},
		{10, "The database is restarted at once, or away for long", onPostgres(oneFile)},
		{11, "The connection is cut at the very commit", onPostgres(oneFile)},
		{12, "No connection is free, locks are held, deadlock, serialization failure", onPostgres(oneFile)},
		{13, "Another process holds the database's write lock; many writers", onSQLite("writers do not lock each other out of the database")},
		{14, "The disk is full", nil},
		{15, "Writing to the disk fails", nil},
		{16, "The database is truncated, corrupt, of another version", nil},
		{17, "A migration is killed half-way; two nodes migrate at once", nil},
		{18, "The database is restored to how it was an hour ago, before a night", nil},
		{19, "IT Glue answers 429, with any Retry-After", nil},
		{20, "IT Glue answers 5xx or a firewall's page, sometimes or always", nil},
		{21, "IT Glue cannot be reached, or is very slow", nil},
		{22, "IT Glue's answer is truncated, enormous, or something else", nil},
		{23, "IT Glue's listing has holes, loops, or another length than it says", nil},
		{24, "IT Glue's listing is empty", nil},
		{25, "Organizations change in IT Glue while they are listed", nil},
		{26, "Ids or names twice in a listing, ids of other types", nil},
		{27, "The key is revoked during a sync", nil},
		{28, "The key is replaced by one of another IT Glue account or region", nil},
		{29, "The key sees fewer organizations than before", nil},
		{30, "IT Glue redirects to elsewhere", nil},
		{31, "Many organizations are really deleted in IT Glue", nil},
		{32, "An organization is deleted in IT Glue and restored", nil},
		{33, "Several nodes at midnight", onPostgres(oneNode)},
		{34, "The node is down at midnight, or for nights", nil},
		{35, "Nights of daylight saving, year ends, leap days, no zone data", nil},
		{36, "The clock jumps, or differs between nodes", nil},
		{37, "Thousands of accounts at the same midnight", nil},
		{38, "Two people edit the same mapping", nil},
		{39, "Two organizations are mapped to the same IT Glue organization at once", nil},
		{40, "The same organization is imported twice at once", nil},
		{41, "The integration is deactivated while a sync runs, and connected again", nil},
		{42, "Pauses, resumes and syncs in all orders at once", nil},
		{43, "A refresh or a rename of one organization during a sync", nil},
		{44, "A person unmaps between listing and change", nil},
		{45, "An organization is deleted during a sync or import", nil},
		{46, "A webhook's receiver is down, slow, or refuses", nowhere(silent)},
		{47, "The process is killed before or after a webhook is sent", nowhere(silent)},
		{48, "A webhook's secret is rotated during retries", nowhere(silent)},
		{49, "The process starts with a wrong, missing or truncated keyset", nil},
		{50, "The rotation of sealing keys is killed, doubled, or meets new writes", nil},
		{51, "A sealed key is copied to another account, or damaged", nil},
		{52, "100,000 organizations in an account; thousands of accounts", nil},
		{53, "Names of any length and any characters", nil},
		{54, "Two versions side by side on one database", onPostgres(oneNode)},
	}
}
