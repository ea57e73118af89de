package store_test

import (
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func mapChange(org, name string, target integration.DirectoryEntry) orgsync.Change {
	return orgsync.Change{
		Action: orgsync.ActionMap, Status: orgsync.ChangePlanned, Reason: orgsync.ReasonEqualName, OrganizationID: org,
		OrganizationName: name, ITGlueID: target.ID, ITGlueName: target.Name, After: target.ID,
	}
}

func renameChange(org, before string, target integration.DirectoryEntry) orgsync.Change {
	return orgsync.Change{
		Action: orgsync.ActionRename, Status: orgsync.ChangePlanned, Reason: orgsync.ReasonRenamedInITGlue, OrganizationID: org,
		OrganizationName: before, ITGlueID: target.ID, ITGlueName: target.Name, Before: before, After: target.Name,
	}
}

func unmapChange(org, name string, target integration.DirectoryEntry) orgsync.Change {
	return orgsync.Change{
		Action: orgsync.ActionUnmap, Status: orgsync.ChangePlanned, Reason: orgsync.ReasonDeletedInITGlue, OrganizationID: org,
		OrganizationName: name, ITGlueID: target.ID, ITGlueName: target.Name, Before: target.ID,
	}
}

// apply applies the changes and returns what became of them.
func apply(t *testing.T, s *store.Store, f orgsync.Fence, changes ...orgsync.Change) []orgsync.ChangeStatus {
	t.Helper()
	before, err := s.CountSyncChanges(t.Context(), f.AccountID, f.SyncID, orgsync.ChangeFilter{})
	ok(t, err)
	ok(t, s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: changes}))
	p, err := s.SyncChanges(t.Context(), f.AccountID, f.SyncID, orgsync.ChangeFilter{Limit: 200})
	ok(t, err)
	var got []orgsync.ChangeStatus
	for i, c := range p.Items {
		same(t, c.Seq, i+1)
		if i >= before {
			got = append(got, c.Status)
			if c.Status == orgsync.ChangeRefused {
				same(t, c.Reason, orgsync.ReasonChangedMeanwhile)
			}
		}
	}
	return got
}

func TestApplyMap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		one, two, three := storetest.Entry(1, "One"), storetest.Entry(2, "Two"), storetest.Entry(3, "Three")
		free, renamed := storetest.Organization(t, s, id, "One"), storetest.Organization(t, s, id, "Two by now")
		byPerson, elsewhere := storetest.Organization(t, s, id, "Two"), storetest.Organization(t, s, id, "Three")
		late, foreign := storetest.Organization(t, s, id, "Three"), storetest.Organization(t, s, storetest.Account(t, s), "Two")
		ok(t, s.UnmapByPerson(ctx, id, byPerson, event.Actor{}))
		storetest.Map(t, s, id, elsewhere, three)

		r, a := orgsync.ChangeRefused, orgsync.ChangeApplied
		same(t, apply(t, s, f,
			mapChange(free, "One", one), mapChange(renamed, "Two", two), mapChange(byPerson, "Two", two),
			mapChange(elsewhere, "Three", storetest.Entry(4, "Three")), mapChange(late, "Three", three), mapChange(foreign, "Two", two),
			mapChange(noSuchID, "Two", two),
		), []orgsync.ChangeStatus{a, r, r, r, r, r, r})
		row := mappingOf(t, s, id, free)
		same(t, []any{row.State, row.ITGlueID, row.Origin, row.MappedAt != nil, row.LastSyncedAt != nil},
			[]any{mapping.Active, "1", mapping.OriginAuto, true, true})
		same(t, mappingOf(t, s, id, byPerson).Unmatched, mapping.UnmappedByPerson)
		same(t, mappingOf(t, s, id, elsewhere).ITGlueID, "3")
	})
}

func TestApplyRename(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		mapped := func(name string, target int) string {
			org := storetest.Organization(t, s, id, name)
			storetest.Map(t, s, id, org, storetest.Entry(target, name))
			return org
		}
		good, other, paused, gone := mapped("Good", 1), mapped("Other", 2), mapped("Paused", 3), mapped("Gone", 4)
		remapped := mapped("Remapped", 5)
		storetest.Map(t, s, id, remapped, storetest.Entry(6, "x"))
		ok(t, s.SetSyncEnabled(ctx, id, paused, false, event.Actor{}))
		ok(t, s.UnmapByPerson(ctx, id, gone, event.Actor{}))

		r, a := orgsync.ChangeRefused, orgsync.ChangeApplied
		same(t, apply(t, s, f,
			renameChange(good, "Good", storetest.Entry(1, "BETTER")), renameChange(other, "Another", storetest.Entry(2, "x")),
			renameChange(paused, "Paused", storetest.Entry(3, "x")), renameChange(gone, "Gone", storetest.Entry(4, "x")),
			renameChange(remapped, "Remapped", storetest.Entry(5, "x")),
		), []orgsync.ChangeStatus{a, r, r, r, r})
		o, err := s.Organization(ctx, id, good)
		ok(t, err)
		if o.Name != "BETTER" || !o.UpdatedAt.After(o.CreatedAt) {
			t.Fatalf("not renamed: %+v", o)
		}
		row := mappingOf(t, s, id, good)
		same(t, []any{row.ITGlueName, row.LastSyncedAt != nil}, []any{"BETTER", true})
		n, err := s.CountMappings(ctx, id, mapping.Filter{Search: "better"})
		ok(t, err)
		same(t, n, 1)
	})
}

func TestApplyUnmapFreesTheTarget(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		one, two, three := storetest.Entry(1, "One"), storetest.Entry(2, "Two"), storetest.Entry(3, "Three")
		gone, remapped := storetest.Organization(t, s, id, "One"), storetest.Organization(t, s, id, "Two")
		paused := storetest.Organization(t, s, id, "Three")
		storetest.Map(t, s, id, gone, one)
		storetest.Map(t, s, id, remapped, storetest.Entry(9, "Nine"))
		storetest.Map(t, s, id, paused, three)
		ok(t, s.SetSyncEnabled(ctx, id, paused, false, event.Actor{}))

		r, a := orgsync.ChangeRefused, orgsync.ChangeApplied
		same(t, apply(t, s, f,
			unmapChange(gone, "One", one), unmapChange(remapped, "Two", two), unmapChange(paused, "Three", three),
			mapChange(gone, "One", storetest.Entry(11, "One")),
		), []orgsync.ChangeStatus{a, r, r, a})
		same(t, mappingOf(t, s, id, gone).ITGlueID, "11")
		same(t, apply(t, s, f, unmapChange(gone, "One", storetest.Entry(11, "One"))), []orgsync.ChangeStatus{a})
		row := mappingOf(t, s, id, gone)
		same(t, []any{row.State, row.ITGlueID, row.ITGlueName, row.MappedAt, row.Unmatched},
			[]any{mapping.Unmapped, "", "", (*time.Time)(nil), mapping.DeletedInITGlue})
	})
}

func TestFinishCountsWhatWasDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		for _, kind := range []orgsync.Kind{orgsync.Manual, orgsync.Preview} {
			id := storetest.Account(t, s)
			storetest.Connected(t, s, id)
			f := startClaimed(t, s, id, kind)
			one := storetest.Organization(t, s, id, "One")
			held := unmapChange(one, "One", storetest.Entry(1, "One"))
			held.Status = orgsync.ChangeHeld
			skip := orgsync.Change{Action: orgsync.ActionSkip, Status: orgsync.ChangeRefused, Reason: orgsync.ReasonPaused, OrganizationID: one}
			changes := []orgsync.Change{mapChange(one, "One", storetest.Entry(1, "One")), held, skip}
			ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: changes, DryRun: kind == orgsync.Preview}))
			same(t, mappingOf(t, s, id, one).State == mapping.Unmapped, kind == orgsync.Preview)

			compared := storetest.Now()
			outcome := orgsync.Outcome{Status: orgsync.Held, Counts: orgsync.Counts{Listed: 5, Unchanged: 4, Mapped: 77}}
			if kind == orgsync.Manual {
				outcome.ComparedAt = &compared
			}
			ok(t, s.FinishSync(ctx, f, outcome))
			got, err := s.Sync(ctx, id, f.SyncID)
			ok(t, err)
			same(t, got.Counts, orgsync.Counts{Listed: 5, Unchanged: 4, Mapped: 1, Held: 1, Skipped: 1})
			in, err := s.Integration(ctx, id)
			ok(t, err)
			same(t, in.LastSyncedAt, outcome.ComparedAt)

			p, err := s.SyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{Limit: 2})
			ok(t, err)
			same(t, p.Next, &page.Position{Key: "2"})
			p, err = s.SyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{Limit: 2, After: p.Next})
			ok(t, err)
			skip.Seq = 3
			same(t, p, page.Page[orgsync.Change]{Items: []orgsync.Change{skip}})
			n, err := s.CountSyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{Action: orgsync.ActionUnmap, Status: orgsync.ChangeHeld})
			ok(t, err)
			same(t, n, 1)
			for _, key := range []string{"", "x", "99999999999"} {
				_, err = s.SyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{After: &page.Position{Key: key}})
				wantCode(t, err, errs.ValidationFailed)
			}
		}
	})
}

func TestClaimDropsWhatAnEarlierAttemptDidNotApply(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		one := storetest.Organization(t, s, id, "One")
		skip := orgsync.Change{Action: orgsync.ActionSkip, Status: orgsync.ChangeRefused, Reason: orgsync.ReasonPaused, OrganizationID: one}
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{mapChange(one, "One", storetest.Entry(1, "One")), skip}}))
		var err error
		f.Epoch, err = s.RequeueSync(ctx, f, 0, nil)
		ok(t, err)
		storetest.Claim(t, s, f)
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{skip}}))
		p, err := s.SyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{})
		ok(t, err)
		same(t, []any{len(p.Items), p.Items[0].Status, p.Items[1].Status}, []any{2, orgsync.ChangeApplied, orgsync.ChangeRefused})
	})
}

func TestAttention(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		now := storetest.Now()
		s := storetest.Open(t, url, store.Options{Now: func() time.Time { return now }})
		id := storetest.Account(t, s)
		finish := func(c orgsync.Credentials) *integration.Attention {
			t.Helper()
			f := startClaimed(t, s, id, orgsync.Manual)
			ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{
				Status: orgsync.Failed, Credentials: c, Failure: &orgsync.Failure{Code: errs.ITGlueKeyRejected, Detail: "no\x00"},
			}))
			in, err := s.Integration(t.Context(), id)
			ok(t, err)
			return in.Attention
		}
		storetest.Connected(t, s, id)
		want := &integration.Attention{Code: integration.CredentialsRejected, Detail: "no\uFFFD", Since: now}
		same(t, finish(orgsync.CredentialsUnknown), (*integration.Attention)(nil))
		same(t, finish(orgsync.CredentialsRejected), want)
		now = now.Add(time.Hour)
		same(t, finish(orgsync.CredentialsRejected), want)
		same(t, finish(orgsync.CredentialsUnknown), want)
		same(t, finish(orgsync.CredentialsAccepted), (*integration.Attention)(nil))
	})
}

func TestApplyUnmatchedLeavesDecisionsAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		free, byPerson, mapped := storetest.Organization(t, s, id, "a"), storetest.Organization(t, s, id, "b"), storetest.Organization(t, s, id, "c")
		ok(t, s.UnmapByPerson(ctx, id, byPerson, event.Actor{}))
		storetest.Map(t, s, id, mapped, storetest.Entry(1, "c"))
		updates := make([]orgsync.UnmatchedUpdate, 0, 3)
		for _, org := range []string{free, byPerson, mapped} {
			updates = append(updates, orgsync.UnmatchedUpdate{OrganizationID: org, Code: mapping.NotAutoMapped})
		}
		ok(t, s.ApplyUnmatched(ctx, f, updates))
		ok(t, s.ApplyUnmatched(ctx, f, nil))
		same(t, mappingOf(t, s, id, free).Unmatched, mapping.NotAutoMapped)
		same(t, mappingOf(t, s, id, byPerson).Unmatched, mapping.UnmappedByPerson)
		same(t, mappingOf(t, s, id, mapped).Unmatched, mapping.UnmatchedCode(""))
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		org := storetest.Organization(t, s, id, "Old")
		storetest.Map(t, s, id, org, storetest.Entry(1, "Old"))
		ok(t, s.SetSyncEnabled(ctx, id, org, false, event.Actor{}))
		in, err := s.Integration(ctx, id)
		ok(t, err)
		state, err := s.OrganizationState(ctx, id, org)
		ok(t, err)
		same(t, state, orgsync.OrganizationState{ID: org, Name: "Old", State: mapping.Paused, ITGlueID: "1", ITGlueName: "Old"})

		entry := storetest.Entry(1, "New")
		sync := newSync(t, s, id, orgsync.Organization)
		now := storetest.Now()
		sync.Status, sync.StartedAt, sync.FinishedAt, sync.Counts = orgsync.Succeeded, &now, &now, orgsync.Counts{Renamed: 1}
		stale := state
		stale.Name = "Older"
		wantCode(t, s.Refresh(ctx, in, sync, stale, &entry, nil), errs.Conflict)
		stale = state
		stale.State = mapping.Active
		wantCode(t, s.Refresh(ctx, in, sync, stale, &entry, nil), errs.Conflict)
		for _, change := range []func(in *integration.Integration){
			func(in *integration.Integration) { in.ID = storetest.ID(t) },
			func(in *integration.Integration) { in.Region = itglue.RegionAU },
			func(in *integration.Integration) { in.SealedKey = []byte("other") },
		} {
			then := in
			change(&then)
			wantCode(t, s.Refresh(ctx, then, sync, state, &entry, nil), errs.Conflict)
		}
		_, err = s.Sync(ctx, id, sync.ID)
		wantCode(t, err, errs.NotFound)

		ok(t, s.Refresh(ctx, in, sync, state, &entry, []orgsync.Change{renameChange(org, "Old", entry)}))
		row := mappingOf(t, s, id, org)
		same(t, []any{row.OrganizationName, row.ITGlueName, row.State, row.LastSyncedAt != nil}, []any{"New", "New", mapping.Paused, true})
		got, err := s.Sync(ctx, id, sync.ID)
		ok(t, err)
		same(t, got, sync)
		p, err := s.SyncChanges(ctx, id, sync.ID, orgsync.ChangeFilter{})
		ok(t, err)
		same(t, p.Items[0].Status, orgsync.ChangeApplied)
		found, err := s.DirectoryEntry(ctx, id, "1")
		ok(t, err)
		same(t, found, entry)

		state, err = s.OrganizationState(ctx, id, org)
		ok(t, err)
		sync.ID = storetest.ID(t)
		ok(t, s.Refresh(ctx, in, sync, state, nil, []orgsync.Change{unmapChange(org, "New", entry)}))
		same(t, mappingOf(t, s, id, org).State, mapping.Unmapped)
		_, err = s.DirectoryEntry(ctx, id, "1")
		wantCode(t, err, errs.NotFound)
		wantCode(t, s.Refresh(ctx, in, sync, state, nil, nil), errs.Conflict)
	})
}

func TestApplyChangesAgainstPeople(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		const n = 20
		changes, people := make([]orgsync.Change, 0, n), make([]string, 0, n)
		for i := range n {
			target := storetest.Entry(i+1, "Same")
			changes = append(changes, mapChange(storetest.Organization(t, s, id, "Same"), "Same", target))
			people = append(people, storetest.Organization(t, s, id, "By hand"))
		}
		done := make(chan error, n+1)
		go func() { done <- s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: changes}) }()
		for i, org := range people {
			target := storetest.Live(t, s, id, storetest.Entry(i+1, "Same"))
			go func() {
				done <- s.MapOrganization(t.Context(), id, org, target, mapping.OriginManual, event.Actor{})
			}()
		}
		for range n + 1 {
			if err := <-done; err != nil {
				wantCode(t, err, errs.AlreadyMapped)
			}
		}
		sum, err := s.MappingSummary(t.Context(), id)
		ok(t, err)
		same(t, sum.Active, n)
	})
}
