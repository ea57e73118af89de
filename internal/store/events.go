package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
)

type eventRow struct {
	AccountID        string `gorm:"primaryKey"`
	Seq              int64  `gorm:"primaryKey;autoIncrement:false"`
	Type             string
	At               time.Time
	TokenID          *string
	TokenName        *string
	Subject          *string
	SyncID           *string
	OrganizationID   *string
	OrganizationName *string
	ITGlueID         *string `gorm:"column:itglue_id"`
	ITGlueName       *string `gorm:"column:itglue_name"`
	Before           *string
	After            *string
	Detail           *string
}

func (eventRow) TableName() string { return "events" }

func newEventRow(e *event.Event) (row eventRow, err error) {
	row = eventRow{
		AccountID: e.AccountID, Seq: e.Sequence, Type: string(e.Type), At: instant(e.At), TokenID: orNil(e.Actor.TokenID),
		TokenName: orNil(clean(e.Actor.TokenName)), Subject: orNil(clean(e.Actor.Subject)), SyncID: orNil(e.SyncID),
		Detail: orNil(clean(e.Detail)),
	}
	if e.Organization != nil {
		row.OrganizationID, row.OrganizationName = orNil(e.Organization.ID), orNil(clean(e.Organization.Name))
	}
	if e.ITGlue != nil {
		row.ITGlueID, row.ITGlueName = orNil(e.ITGlue.ID), orNil(clean(e.ITGlue.Name))
	}
	if row.Before, err = propertiesText(e.Before); err != nil {
		return row, err
	}
	row.After, err = propertiesText(e.After)
	return row, err
}

func propertiesText(p event.Properties) (*string, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // nothing to tell is stored as NULL
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("properties of an event: %w", err)
	}
	return orNil(clean(string(text))), nil
}

func (r eventRow) event() event.Event {
	return event.Event{
		AccountID: r.AccountID, Sequence: r.Seq, Type: event.Type(r.Type), At: instant(r.At),
		Actor: actorOf(r.TokenID, r.TokenName, r.Subject), SyncID: orEmpty(r.SyncID),
		Organization: subject(orEmpty(r.OrganizationID), orEmpty(r.OrganizationName)),
		ITGlue:       subject(orEmpty(r.ITGlueID), orEmpty(r.ITGlueName)),
		Before:       properties(r.Before), After: properties(r.After), Detail: orEmpty(r.Detail),
	}
}

func actorOf(tokenID, tokenName, subject *string) event.Actor {
	return event.Actor{TokenID: orEmpty(tokenID), TokenName: orEmpty(tokenName), Subject: orEmpty(subject)}
}

func subject(id, name string) *event.Subject {
	if id == "" {
		return nil
	}
	return &event.Subject{ID: id, Name: name}
}

func properties(text *string) (p event.Properties) {
	if text != nil {
		_ = json.Unmarshal([]byte(*text), &p) // written by propertiesText
	}
	return p
}

// record appends facts to the account's log, in the transaction that makes them true. It comes last there: from here to the commit no
// other fact of the account can be recorded, which is what makes the sequence the order of commits.
func (s *Store) record(tx *gorm.DB, accountID string, facts ...event.Event) error {
	if len(facts) == 0 {
		return nil
	}
	if err := noteEffects(tx, accountID, facts); err != nil {
		return err
	}
	first, err := reserveEvents(tx, accountID, len(facts))
	if err != nil {
		return err
	}
	rows := make([]eventRow, len(facts))
	for i := range facts {
		fact := facts[i]
		fact.AccountID, fact.Sequence, fact.At = accountID, first+int64(i), s.now()
		if rows[i], err = newEventRow(&fact); err != nil {
			return err
		}
	}
	return tx.Create(&rows).Error
}

// reserveEvents takes the next n numbers of the account's sequence and returns the first of them. The account's row stays locked until
// the transaction ends.
func reserveEvents(tx *gorm.DB, accountID string, n int) (first int64, err error) {
	if n == 0 {
		return 0, nil
	}
	var last []int64
	err = tx.Raw("UPDATE accounts SET last_event = last_event + ? WHERE id = ? RETURNING last_event", n, accountID).Scan(&last).Error
	if err != nil {
		return 0, err
	}
	if len(last) == 0 {
		return 0, noAccount()
	}
	return last[0] - int64(n) + 1, nil
}

// lastEvent is the number of the account's last committed event.
func lastEvent(tx *gorm.DB, accountID string) (last int64, err error) {
	err = tx.Model(&accountRow{}).Where("id = ?", accountID).Pluck("last_event", &last).Error
	return last, err
}

// quietSince tells that nobody but the running sync changed anything of the account since the event: the applied changes of syncs are
// kept apart.
func quietSince(tx *gorm.DB, accountID string, sequence int64) (bool, error) {
	var later []int64
	err := tx.Model(&eventRow{}).Where("account_id = ?", accountID).Where("seq > ?", sequence).Limit(1).Pluck("seq", &later).Error
	return len(later) == 0, err
}

// Events returns a page of the account's events, newest first. A foreign position is [errs.ValidationFailed].
func (s *Store) Events(ctx context.Context, accountID string, f event.Filter) (events page.Page[event.Event], err error) {
	before := int64(-1)
	if f.After != nil {
		if before, err = strconv.ParseInt(f.After.Key, 10, 64); err != nil || before < 0 {
			return events, badCursor()
		}
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	if f.OrganizationID != "" && !isID(f.OrganizationID) {
		return events, nil
	}
	var all []event.Event
	err = s.read(ctx, of(accountID), "list events", func(tx *gorm.DB) error {
		all, err = eventsOf(tx, accountID, f, before)
		return err
	})
	return page.Cut(all, f.Limit, func(e event.Event) page.Position {
		return page.Position{Key: strconv.FormatInt(e.Sequence, 10)}
	}), err
}

// CountEvents counts the events on all pages.
func (s *Store) CountEvents(ctx context.Context, accountID string, f event.Filter) (n int, err error) {
	if f.OrganizationID != "" && !isID(f.OrganizationID) {
		return 0, nil
	}
	err = s.read(ctx, of(accountID), "count events", func(tx *gorm.DB) error {
		if n, err = count(recorded(tx, accountID, f)); err != nil {
			return err
		}
		for action := range chosenActions(f) {
			applied, err := count(changed(tx, accountID, f, action))
			if err != nil {
				return err
			}
			n += applied
		}
		return nil
	})
	return n, err
}

// eventsOf reads one event more than the limit from each place that holds events, and merges them.
func eventsOf(tx *gorm.DB, accountID string, f event.Filter, before int64) ([]event.Event, error) {
	q := recorded(tx, accountID, f)
	if before >= 0 {
		q = q.Where("seq < ?", before)
	}
	var rows []eventRow
	if err := q.Order("seq DESC").Limit(f.Limit + 1).Find(&rows).Error; err != nil {
		return nil, err
	}
	all := convert(rows, eventRow.event)
	for action := range chosenActions(f) {
		q := changed(tx, accountID, f, action)
		if before >= 0 {
			q = q.Where("c.event < ?", before)
		}
		changed, err := changeEvents(q.Order("c.event DESC").Limit(f.Limit+1), action)
		if err != nil {
			return nil, err
		}
		all = append(all, changed...)
	}
	slices.SortFunc(all, func(a, b event.Event) int { return cmp.Compare(b.Sequence, a.Sequence) })
	return all[:min(len(all), f.Limit+1)], nil
}

func recorded(tx *gorm.DB, accountID string, f event.Filter) *gorm.DB {
	q := tx.Model(&eventRow{}).Where("account_id = ?", accountID)
	if f.Type != "" {
		q = q.Where("type = ?", string(f.Type))
	}
	if f.OrganizationID != "" {
		q = q.Where("organization_id = ?", f.OrganizationID)
	}
	return q
}

// changed is the applied changes of one action: each action is a walk through an index of its own.
func changed(tx *gorm.DB, accountID string, f event.Filter, action orgsync.Action) *gorm.DB {
	q := tx.Table("sync_changes AS c").Where("c.account_id = ?", accountID).Where("c.action = ?", string(action)).
		Where("c.event IS NOT NULL")
	if f.OrganizationID != "" {
		q = q.Where("c.organization_id = ?", f.OrganizationID)
	}
	return q
}

// actionEvents says which fact an applied change is.
func actionEvents() map[orgsync.Action]event.Type {
	return map[orgsync.Action]event.Type{
		orgsync.ActionMap: event.MappingMade, orgsync.ActionRename: event.OrganizationRenamed, orgsync.ActionUnmap: event.MappingRemoved,
	}
}

// chosenActions are those whose events the filter lets through.
func chosenActions(f event.Filter) iter.Seq[orgsync.Action] {
	return func(yield func(orgsync.Action) bool) {
		for action, kind := range actionEvents() {
			if (f.Type == "" || f.Type == kind) && !yield(action) {
				return
			}
		}
	}
}

// changeEventRow is an applied change with who asked for its sync.
type changeEventRow struct {
	Row                  changeRow `gorm:"embedded"`
	RequestedByTokenID   *string
	RequestedByTokenName *string
	RequestedBySubject   *string
}

// changeEvents reads the events that applied changes of one action are.
func changeEvents(changes *gorm.DB, action orgsync.Action) ([]event.Event, error) {
	var rows []changeEventRow
	err := requested(changes, action).Find(&rows).Error
	return convert(rows, changeEventRow.event), err
}

// requested adds who asked for each change: who asked for the sync or, of a removal that was held until then, who released it.
func requested(changes *gorm.DB, action orgsync.Action) *gorm.DB {
	q := changes.Joins("JOIN syncs s ON s.account_id = c.account_id AND s.id = c.sync_id")
	if action != orgsync.ActionUnmap {
		return q.Select("c.*, s.requested_by_token_id, s.requested_by_token_name, s.requested_by_subject")
	}
	return q.Select(`c.*, CASE WHEN r.seq IS NULL THEN s.requested_by_token_id ELSE r.token_id END AS requested_by_token_id,
			CASE WHEN r.seq IS NULL THEN s.requested_by_token_name ELSE r.token_name END AS requested_by_token_name,
			CASE WHEN r.seq IS NULL THEN s.requested_by_subject ELSE r.subject END AS requested_by_subject`).
		Joins(`LEFT JOIN events r ON r.account_id = c.account_id AND r.seq = (SELECT max(e.seq) FROM events e
			WHERE e.account_id = c.account_id AND e.type = ? AND e.sync_id = c.sync_id AND e.seq < c.event)`, string(event.RemovalsReleased))
}

func (r changeEventRow) event() event.Event {
	c := r.Row.change()
	e := event.Event{
		AccountID: r.Row.AccountID, Sequence: *r.Row.Event, At: instant(*r.Row.AppliedAt), Type: actionEvents()[c.Action],
		Actor: actorOf(r.RequestedByTokenID, r.RequestedByTokenName, r.RequestedBySubject), SyncID: r.Row.SyncID,
		Organization: subject(c.OrganizationID, c.OrganizationName), ITGlue: subject(c.ITGlueID, c.ITGlueName), Detail: string(c.Reason),
	}
	if c.Action == orgsync.ActionRename {
		e.Before, e.After = event.Properties{"name": c.Before}, event.Properties{"name": c.After}
		return e
	}
	e.Before, e.After = mappedTo(c.Before, c.ITGlueName), mappedTo(c.After, c.ITGlueName)
	return e
}

// mappedTo is what an organization is mapped to, null for "None".
func mappedTo(itglueID, itglueName string) event.Properties {
	if itglueID == "" {
		return event.Properties{"itglueOrganization": nil}
	}
	return event.Properties{"itglueOrganization": map[string]string{"id": itglueID, "name": itglueName}}
}
