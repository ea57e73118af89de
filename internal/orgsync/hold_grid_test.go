package orgsync_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// cell is one place of the grid: so many active mappings, so many of their IT Glue organizations missing, and what IT Glue answers.
type cell struct {
	mapped, missing int
	others          int // IT Glue organizations in the listing that are not mapped
	complete        bool
	read            int // status of a read by id of what is missing
}

func (c cell) String() string {
	return fmt.Sprintf("%d of %d missing, %d others, complete %t, reads answer %d", c.missing, c.mapped, c.others, c.complete, c.read)
}

// verdict is what a sync is to make of a cell.
type verdict struct {
	status        orgsync.Status
	removed, held int
	renamed       int
	code          errs.Code
}

// rule is the rule of removals once more, written from its words and from nothing of the program: a mapping is removed only if the
// listing is complete, the id absent from it, and a read by id answers 404. With the limit being min(50, max(1, a tenth of the active
// mappings)): if more would go, or the listing is empty while mappings exist, or all (two or more) would go, none goes and the sync is held;
// names are still updated. A refused key changes nothing.
func rule(c cell) verdict {
	if !c.complete {
		return verdict{status: orgsync.Failed, code: errs.ITGlueListingIncomplete}
	}
	held := verdict{status: orgsync.Held, held: c.missing, renamed: c.renamed()}
	if c.mapped-c.missing+c.others == 0 && c.mapped > 0 {
		return held
	}
	kept := verdict{status: orgsync.Succeeded, renamed: c.renamed()}
	if c.missing == 0 {
		return kept
	}
	switch c.read {
	case http.StatusOK, http.StatusInternalServerError:
		return kept
	case http.StatusUnauthorized:
		return verdict{status: orgsync.Failed, code: errs.ITGlueKeyRejected}
	}
	limit := min(50, max(1, c.mapped/10))
	if c.missing > limit || (c.missing == c.mapped && c.mapped >= 2) {
		return held
	}
	kept.removed = c.missing
	return kept
}

// renamed: of those that are there, the last one has another name, if there are so many that this is nothing strange.
func (c cell) renamed() int {
	if c.mapped-c.missing >= 3 {
		return 1
	}
	return 0
}

// listed is the listing: the first are missing.
func (c cell) listed() (rows []map[string]any) {
	for i := c.missing; i < c.mapped+c.others; i++ {
		name := "Company " + strconv.Itoa(i)
		if i == c.mapped-1 && c.renamed() > 0 {
			name += " Inc."
		}
		rows = append(rows, resourceOf(i+1, name))
	}
	return rows
}

func resourceOf(id int, name string) map[string]any {
	return map[string]any{"id": strconv.Itoa(id), "type": "organizations", "attributes": map[string]any{"name": name}}
}

// RoundTrip makes the cell an IT Glue.
func (c cell) RoundTrip(r *http.Request) (*http.Response, error) {
	if id, single := strings.CutPrefix(r.URL.Path, "/organizations/"); single {
		number, err := strconv.Atoi(id)
		if err != nil {
			return nil, err
		}
		return reply(c.read, map[string]any{
			"data":   resourceOf(number, "Company"),
			"errors": []any{map[string]any{"status": c.read, "title": "x"}},
		})
	}
	rows := c.listed()
	total := len(rows)
	if !c.complete {
		total++
	}
	if rows == nil {
		rows = []map[string]any{}
	}
	return reply(http.StatusOK, map[string]any{"data": rows, "meta": map[string]any{"current-page": 1, "total-pages": 1, "total-count": total}})
}

func reply(status int, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/vnd.api+json"}}, Body: io.NopCloser(strings.NewReader(string(text))),
	}, err
}

// notebook is a store in memory that knows one account and notes what a sync wants to be written.
type notebook struct {
	cell

	verdict verdict
}

func (n *notebook) Client(context.Context, string) (*itglue.Client, integration.Integration, error) {
	client, err := itglue.New(itglue.Config{BaseURL: "https://itglue.example", APIKey: "k", Transport: n.cell, MaxAttempts: 1})
	return client, integration.Integration{RemovalLimitPercent: integration.DefaultRemovalLimitPercent, AutoMap: integration.Off}, err
}

func (*notebook) StartSync(context.Context, orgsync.Sync) (orgsync.Sync, bool, error) {
	panic("not asked for")
}

func (*notebook) ClaimSync(_ context.Context, f orgsync.Fence, _ time.Duration) (orgsync.Sync, error) {
	return orgsync.Sync{ID: f.SyncID, AccountID: f.AccountID, Kind: orgsync.Manual, Epoch: f.Epoch}, nil
}

func (*notebook) Heartbeat(context.Context, orgsync.Fence, time.Duration, orgsync.Progress) error {
	return nil
}

func (n *notebook) RequeueSync(context.Context, orgsync.Fence, time.Duration, *orgsync.Failure) (int, error) {
	n.verdict.status = orgsync.Queued
	return 0, nil
}

func (n *notebook) DeferSync(context.Context, orgsync.Fence, time.Duration, orgsync.Failure) error {
	n.verdict.status = orgsync.Queued
	return nil
}

func (n *notebook) FinishSync(_ context.Context, _ orgsync.Fence, o orgsync.Outcome) error {
	n.verdict.status = o.Status
	if o.Failure != nil {
		n.verdict.code = o.Failure.Code
	}
	return nil
}

func (n *notebook) Size(context.Context, string) (int, error) { return n.mapped, nil }

func (n *notebook) OrganizationStates(context.Context, string) ([]orgsync.OrganizationState, int64, error) {
	states := make([]orgsync.OrganizationState, n.mapped)
	for i := range states {
		id, name := strconv.Itoa(i+1), "Company "+strconv.Itoa(i)
		states[i] = orgsync.OrganizationState{ID: id, Name: name, State: mapping.Active, ITGlueID: id, ITGlueName: name}
	}
	return states, 0, nil
}

func (n *notebook) Directory(context.Context, string) ([]integration.DirectoryEntry, error) {
	entries := make([]integration.DirectoryEntry, n.mapped)
	for i := range entries {
		entries[i] = integration.DirectoryEntry{ID: strconv.Itoa(i + 1), Name: "Company " + strconv.Itoa(i)}
	}
	return entries, nil
}

func (*notebook) WriteDirectory(context.Context, orgsync.Fence, []integration.DirectoryEntry, []string) error {
	return nil
}

func (*notebook) DirectoryTaken(context.Context, orgsync.Fence, time.Time) error { return nil }

func (n *notebook) ApplyChanges(_ context.Context, _ orgsync.Fence, b orgsync.Batch) error {
	for _, c := range b.Changes {
		switch {
		case c.Status == orgsync.ChangeHeld:
			n.verdict.held++
		case c.Status == orgsync.ChangePlanned && c.Action == orgsync.ActionUnmap:
			n.verdict.removed++
		case c.Status == orgsync.ChangePlanned && c.Action == orgsync.ActionRename:
			n.verdict.renamed++
		}
	}
	return nil
}

func (*notebook) ApplyUnmatched(context.Context, orgsync.Fence, []orgsync.UnmatchedUpdate) error {
	return nil
}

// TestHoldGrid has a sync list, plan and apply in each cell of the grid, on a store in memory, and compares it with the rule: 0 to 200
// active mappings, 0 to 100 per cent of them missing, the listing complete or not, and each answer to a read by id.
func TestHoldGrid(t *testing.T) {
	t.Parallel()
	cells := 0
	for mapped := range 201 {
		if !faulttest.Long() && mapped > 12 && mapped%20 > 1 && mapped%20 < 19 {
			continue
		}
		last := -1
		for percent := 0; percent <= 100; percent += faulttest.Rounds(10, 1) {
			missing := mapped * percent / 100
			if missing == last {
				continue // the same cell again
			}
			last = missing
			for _, c := range corners(mapped, missing) {
				cells++
				n := &notebook{cell: c}
				runner := orgsync.NewRunner(orgsync.RunnerConfig{
					Syncs: n, State: n, Connections: n, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Lease: time.Minute,
				})
				if err := runner.Run(t.Context(), orgsync.Fence{AccountID: "a", SyncID: "s", Epoch: 1}); err != nil {
					t.Fatal(err)
				}
				if want := rule(c); n.verdict != want {
					t.Errorf("%s: %+v, want %+v", c, n.verdict, want)
				}
			}
		}
	}
	faulttest.Figuref(t, "cells of the hold grid that follow the rule", "%d of %d", cells, cells)
}

// corners are the cells of so many mapped and missing, without those that differ in nothing that is looked at.
func corners(mapped, missing int) (cells []cell) {
	others := []int{1}
	if missing == mapped {
		others = []int{0, 1} // with none, the listing is empty
	}
	for _, n := range others {
		cells = append(cells, cell{mapped: mapped, missing: missing, others: n, read: http.StatusNotFound})
		for _, read := range []int{http.StatusNotFound, http.StatusOK, http.StatusUnauthorized, http.StatusInternalServerError} {
			cells = append(cells, cell{mapped: mapped, missing: missing, others: n, complete: true, read: read})
		}
	}
	return cells
}
