package integration

import (
	"errors"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/schedule"
)

// Change is what a person asks to be changed. What is nil stays as it is.
type Change struct {
	APIKey              *string
	Region              *string
	Daily               DailyChange
	AutoMap             *AutoMap
	RemovalLimitPercent *int
	// Force accepts the key of another IT Glue account. The mapped organizations are not there: the next sync finds them gone and,
	// unless there are very few, holds their removal for a person to decide. With the key of now, it has the directory listed anew and its
	// names taken, however many are others than before.
	Force bool
}

// DailyChange is what is to be changed about the daily sync.
type DailyChange struct {
	Enabled  *bool
	TimeZone *string
	Time     *string
}

// Check returns all that is wrong with the schedule that a change asks for.
func (c Change) Check() []errs.Field {
	daily := c.Daily.on(defaultDaily())
	_, err := schedule.New(daily.TimeZone, daily.Time)
	if invalid, ok := errors.AsType[*errs.Error](err); ok {
		return invalid.Fields
	}
	return nil
}

func defaultDaily() DailySync {
	return DailySync{Enabled: true, TimeZone: schedule.DefaultTimeZone, Time: schedule.DefaultTimeOfDay}
}

// on makes the change to an integration, with the credentials that were tried for it, if any. It answers [errs.Conflict] when these
// were tried for other than the integration has now.
func (c Change) on(in Integration, tried *credentials, now time.Time, by event.Actor) (changed Changed, err error) {
	changed.Integration, changed.By = in, by
	is := &changed.Integration
	replace(&is.AutoMap, c.AutoMap)
	replace(&is.RemovalLimitPercent, c.RemovalLimitPercent)
	if daily := c.Daily.on(in.Daily); daily != in.Daily {
		if is.Daily, err = daily.planned(now); err != nil {
			return Changed{}, err
		}
	}
	if tried != nil {
		if err := tried.giveTo(&changed); err != nil {
			return Changed{}, err
		}
	}
	changed.Facts = changed.facts(in, by)
	return changed, nil
}

// on returns the daily sync with the change, still planned as before.
func (c DailyChange) on(d DailySync) DailySync {
	replace(&d.Enabled, c.Enabled)
	replace(&d.TimeZone, c.TimeZone)
	replace(&d.Time, c.Time)
	return d
}

func replace[T any](value, with *T) {
	if with != nil {
		*value = *with
	}
}

// planned returns the daily sync with its next run after an instant, or with none while it is paused. It answers
// [errs.ValidationFailed] when there is no such time zone or time of day.
func (d DailySync) planned(after time.Time) (DailySync, error) {
	plan, err := schedule.New(d.TimeZone, d.Time)
	if err != nil {
		return DailySync{}, err
	}
	d.NextDate, d.NextRunAt = "", nil
	if d.Enabled {
		next := plan.Next(schedule.Date(d.LastDate), after)
		d.NextDate, d.NextRunAt = string(next.Date), &next.At
	}
	return d, nil
}

// Changed is an integration as a change leaves it.
type Changed struct {
	Integration Integration
	// KeyAccepted says that IT Glue has just accepted the key, so that attention for a refused one ends.
	KeyAccepted bool
	// OtherKey and OtherRegion say that a sync which has begun works with what is no longer the integration's.
	OtherKey    bool
	OtherRegion bool
	// ListAnew is the id for a manual sync that lists the directory anew, because nothing shows that key and region are of the IT Glue
	// account that it was taken from, or a person says so; empty for none.
	ListAnew string
	// By is who changes it.
	By event.Actor
	// Facts are to be recorded. Without any, nothing was changed.
	Facts []event.Event
}

// facts tells what differs from before: the settings in one event, with nothing but what changed, and whether the daily sync was paused
// or resumed. A key is told by its hint, which may be that of the old one.
func (c Changed) facts(before Integration, by event.Actor) (facts []event.Event) {
	is := c.Integration
	daily := difference{{}, {}}
	daily.note("timeZone", before.Daily.TimeZone, is.Daily.TimeZone)
	daily.note("time", before.Daily.Time, is.Daily.Time)
	settings := difference{{}, {}}
	settings.note("region", string(before.Region), string(is.Region))
	settings.note("autoMap", string(before.AutoMap), string(is.AutoMap))
	settings.note("removalLimitPercent", before.RemovalLimitPercent, is.RemovalLimitPercent)
	if c.OtherKey {
		settings.add("apiKeyHint", before.APIKeyHint, is.APIKeyHint)
	}
	if len(daily[0]) > 0 {
		settings.add("dailySync", daily[0], daily[1])
	}
	if len(settings[0]) > 0 {
		facts = append(facts, event.Event{Type: event.IntegrationChanged, Actor: by, Before: settings[0], After: settings[1]})
	}
	switch {
	case before.Daily.Enabled && !is.Daily.Enabled:
		facts = append(facts, event.Event{Type: event.DailySyncPaused, Actor: by})
	case is.Daily.Enabled && !before.Daily.Enabled:
		facts = append(facts, event.Event{Type: event.DailySyncResumed, Actor: by})
	}
	return facts
}

// difference is what changed, before and after.
type difference [2]event.Properties

func (d difference) note(property string, before, after any) {
	if before != after {
		d.add(property, before, after)
	}
}

func (d difference) add(property string, before, after any) {
	d[0][property], d[1][property] = before, after
}
