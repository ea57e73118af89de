package storetest

import (
	"testing"

	"github.com/orgbridge/orgbridge/internal/store"
)

// Daily gives the account's integration a daily sync at a time of day in a time zone. It is not planned yet.
func Daily(tb testing.TB, s *store.Store, accountID, timeZone, timeOfDay string) {
	tb.Helper()
	Exec(tb, s, `UPDATE integrations SET daily_enabled = true, daily_time_zone = $2, daily_time = $3, last_run_date = NULL, next_run_date = NULL,
		next_run_at = NULL WHERE account_id = $1`, accountID, timeZone, timeOfDay)
}
