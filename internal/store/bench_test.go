package store_test

import (
	"testing"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

const (
	benchSize  = 100_000
	benchBatch = 1_000
)

// BenchmarkInitialSync is the largest write there is: a first listing, and a mapping for every organization.
func BenchmarkInitialSync(b *testing.B) {
	for engine, open := range map[string]func(testing.TB) *store.Store{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := open(b)
				id := storetest.Account(b, s)
				f := storetest.Running(b, s, id)
				storetest.Organizations(b, s, id, benchSize)
				b.StartTimer()
				writeAll(b, s, f)
			}
		})
	}
}

func writeAll(b *testing.B, s *store.Store, f orgsync.Fence) {
	b.Helper()
	start := b.Elapsed()
	states, asOf, err := s.OrganizationStates(b.Context(), f.AccountID)
	if err != nil || len(states) != benchSize {
		b.Fatal(len(states), err)
	}
	read := b.Elapsed()
	entries := make([]integration.DirectoryEntry, benchSize)
	changes := make([]orgsync.Change, benchSize)
	updates := make([]orgsync.UnmatchedUpdate, benchSize)
	for i := range states {
		entries[i] = storetest.Entry(i+1, states[i].Name)
		changes[i] = orgsync.Change{
			Action: orgsync.ActionMap, Status: orgsync.ChangePlanned, Reason: orgsync.ReasonEqualName, OrganizationID: states[i].ID,
			OrganizationName: states[i].Name, ITGlueID: entries[i].ID, ITGlueName: entries[i].Name, After: entries[i].ID,
		}
		updates[i] = orgsync.UnmatchedUpdate{OrganizationID: states[i].ID, Code: mapping.NotAutoMapped}
	}
	b.ReportMetric((read - start).Seconds(), "s/read")
	phase(b, "s/directory", func(from, to int) error { return s.WriteDirectory(b.Context(), f, entries[from:to], nil) })
	phase(b, "s/unmatched", func(from, to int) error { return s.ApplyUnmatched(b.Context(), f, updates[from:to]) })
	phase(b, "s/map", func(from, to int) error {
		return s.ApplyChanges(b.Context(), f, orgsync.Batch{Changes: changes[from:to], AsOf: asOf})
	})
	renames := make([]orgsync.Change, benchSize)
	for i, c := range changes {
		c.Action, c.Before, c.After = orgsync.ActionRename, c.OrganizationName, c.OrganizationName+" renamed"
		c.ITGlueName = c.After
		renames[i] = c
	}
	phase(b, "s/rename", func(from, to int) error {
		return s.ApplyChanges(b.Context(), f, orgsync.Batch{Changes: renames[from:to], AsOf: asOf})
	})
	if err := s.FinishSync(b.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}); err != nil {
		b.Fatal(err)
	}
	done, err := s.Sync(b.Context(), f.AccountID, f.SyncID)
	if err != nil || done.Counts.Mapped != benchSize || done.Counts.Renamed != benchSize {
		b.Fatal(done.Counts, err)
	}
}

func phase(b *testing.B, unit string, write func(from, to int) error) {
	b.Helper()
	start := b.Elapsed()
	for from := 0; from < benchSize; from += benchBatch {
		if err := write(from, from+benchBatch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((b.Elapsed() - start).Seconds(), unit)
}

// BenchmarkDeactivate removes as many mappings as one transaction ever does.
func BenchmarkDeactivate(b *testing.B) {
	for engine, open := range map[string]func(testing.TB) *store.Store{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := open(b)
				id := storetest.Account(b, s)
				storetest.Connected(b, s, id)
				storetest.Organizations(b, s, id, benchSize)
				storetest.Exec(b, s, `UPDATE mappings SET state = 'active', itglue_id = CAST(place AS text), itglue_name = 'IT Glue organization', origin = 'auto'
					FROM (SELECT organization_id AS id, row_number() OVER () AS place FROM mappings) p WHERE p.id = organization_id`)
				storetest.Exec(b, s, `INSERT INTO directory SELECT account_id, itglue_id, itglue_name, lower(itglue_name), '', '', '', false FROM mappings`)
				b.StartTimer()
				if removed, err := s.Deactivate(b.Context(), id, event.Actor{}); err != nil || removed != benchSize {
					b.Fatal(removed, err)
				}
			}
		})
	}
}
