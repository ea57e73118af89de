package orgsync

import (
	"context"
	"slices"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// maxDirectory bounds what IT Glue can make us keep. The largest accounts known have a tenth of it.
const maxDirectory = 1_000_000

// maxListings is how often an incomplete listing is taken before the sync gives up.
const maxListings = 2

// list takes a complete listing of the directory, or answers [errs.ITGlueListingIncomplete].
func (r *run) list(ctx context.Context, client *itglue.Client, before state) (entries []integration.DirectoryEntry, err error) {
	ctx, span := observe.Start(ctx, "list the IT Glue organizations")
	defer func() { span.End(err) }()
	var fault string
	for range maxListings {
		var taken listing
		for page, err := range client.OrganizationPages(ctx) {
			if err != nil {
				return nil, err
			}
			if page.TotalCount > maxDirectory {
				return nil, errs.New(errs.ITGlueBadAnswer, "IT Glue announces more than %d organizations.", maxDirectory)
			}
			if err := r.held.grow(ctx, before.rows()+page.TotalCount); err != nil {
				return nil, err
			}
			taken.add(page)
			if err := r.progress(ctx, Listing, len(taken.entries), page.TotalCount); err != nil {
				return nil, err
			}
		}
		if fault = taken.fault(); fault == "" {
			return taken.entries, nil
		}
		r.Logger.WarnContext(ctx, "incomplete listing", "accountId", r.fence.AccountID, "syncId", r.fence.SyncID, "fault", fault)
	}
	return nil, errs.New(errs.ITGlueListingIncomplete, "IT Glue's list of organizations was not complete: %s. Nothing was changed.", fault)
}

// listing gathers pages and judges whether together they are the whole directory.
type listing struct {
	entries []integration.DirectoryEntry
	ids     map[string]bool
	last    bool
	total   int
	problem string
}

func (l *listing) add(page itglue.Page) {
	if l.ids == nil {
		expected := min(page.TotalCount, maxDirectory)
		l.ids, l.total = make(map[string]bool, expected), page.TotalCount
		l.entries = make([]integration.DirectoryEntry, 0, expected)
	}
	if page.TotalCount != l.total {
		l.problem = "the number of organizations changed during the listing"
	}
	for _, o := range page.Organizations {
		if l.ids[o.ID] {
			l.problem = "an organization came twice"
		}
		l.ids[o.ID] = true
		l.entries = append(l.entries, integration.Entry(o))
	}
	l.last = page.Last
}

// fault says what the listing lacks, in words for a person; empty for a complete one.
func (l *listing) fault() string {
	switch {
	case !l.last:
		return "the last page was not read"
	case l.problem != "":
		return l.problem
	case len(l.entries) != l.total:
		return "not as many organizations were listed as announced"
	default:
		return ""
	}
}

// writeDirectory makes the stored directory the listing. Only differences are written, so a night without changes writes nothing, and
// what a refresh wrote during the listing stays.
func (r *run) writeDirectory(ctx context.Context, before state, entries []integration.DirectoryEntry) error {
	changed, gone := directoryDiff(before.directory, entries)
	if len(changed)+len(gone) == 0 {
		return nil // the end of the sync notes that it was taken
	}
	for batch := range slices.Chunk(changed, batchSize) {
		if err := r.State.WriteDirectory(ctx, r.fence, batch, nil); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(gone, batchSize) {
		if err := r.State.WriteDirectory(ctx, r.fence, nil, batch); err != nil {
			return err
		}
	}
	return r.State.DirectoryTaken(ctx, r.fence, before.at)
}

// directoryDiff returns the entries that are new or differ, and the ids that are stored and not listed any more.
func directoryDiff(stored, listed []integration.DirectoryEntry) (changed []integration.DirectoryEntry, gone []string) {
	before := make(map[string]*integration.DirectoryEntry, len(stored))
	for i := range stored {
		before[stored[i].ID] = &stored[i]
	}
	for i := range listed {
		if old := before[listed[i].ID]; old == nil || *old != listed[i] {
			changed = append(changed, listed[i])
		}
		delete(before, listed[i].ID)
	}
	for id := range before {
		gone = append(gone, id)
	}
	slices.Sort(gone)
	return changed, gone
}
