package store

import (
	"cmp"
	"context"
	"slices"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/event"
)

// LastEvent returns the number of the account's newest event, 0 before the first.
func (s *Store) LastEvent(ctx context.Context, accountID string) (last int64, err error) {
	err = s.read(ctx, of(accountID), "read the last event", func(tx *gorm.DB) error {
		last, err = lastEvent(tx, accountID)
		return err
	})
	return last, err
}

// EventsAfter returns the account's events after a number, oldest first, and the number that they reach to: the next ones come after it.
// When there are as many as the limit allows, more may be there already.
func (s *Store) EventsAfter(
	ctx context.Context, accountID string, after int64, limit int,
) (events []event.Event, reached int64, err error) {
	err = s.read(ctx, of(accountID), "follow the events", func(tx *gorm.DB) error {
		// Comes first: each statement sees what was committed before it, and what is numbered up to here was.
		if reached, err = lastEvent(tx, accountID); err != nil || reached <= after {
			events, reached = nil, max(reached, after)
			return err
		}
		events, err = eventsBetween(tx, accountID, after, reached, limit)
		return err
	})
	if len(events) == limit {
		reached = events[limit-1].Sequence
	}
	return events, reached, err
}

// eventsBetween reads as many events as the limit allows from each place that holds events, oldest first, and merges them.
func eventsBetween(tx *gorm.DB, accountID string, after, last int64, limit int) ([]event.Event, error) {
	f := event.Filter{}
	var rows []eventRow
	err := recorded(tx, accountID, f).Where("seq > ?", after).Where("seq <= ?", last).Order("seq").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	all := convert(rows, eventRow.event)
	for action := range chosenActions(f) {
		q := changed(tx, accountID, f, action).Where("c.event > ?", after).Where("c.event <= ?", last)
		changed, err := changeEvents(q.Order("c.event").Limit(limit), action)
		if err != nil {
			return nil, err
		}
		all = append(all, changed...)
	}
	slices.SortFunc(all, func(a, b event.Event) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all[:min(len(all), limit)], nil
}
