package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
)

// changeIntegrationRequest names what is to be changed. What it leaves out stays as it is.
type changeIntegrationRequest struct {
	// An IT Glue API key; stored encrypted, never returned.
	APIKey *string `json:"apiKey" validate:"omitnil,apikey" format:"password" minLength:"1" maxLength:"500" example:"ITG.demo"`
	// Where the IT Glue account is hosted.
	Region    *string                `json:"region" validate:"omitnil,oneof=us eu au" example:"us"`
	DailySync changeDailySyncRequest `json:"dailySync"`
	// Which syncs map organizations to IT Glue organizations of exactly the same name by themselves: the first one after connecting only,
	// every one, or none. It takes effect with the next sync: a running one keeps what it began with.
	AutoMap *string `json:"autoMap" validate:"omitnil,oneof=on_connect every_sync off" example:"on_connect"`
	// Share of the active mappings that one sync may remove, at least 1 and at most 50 of them. When more would go, none goes: the sync
	// ends `held`. It takes effect with the next sync: a running one keeps what it began with.
	RemovalLimitPercent *int `json:"removalLimitPercent" validate:"omitnil,min=0,max=100" minimum:"0" maximum:"100" example:"10"`
	// Take the key also when it seems to be of another IT Glue account. With the key of now, have the list read anew and its names taken,
	// also when a sync failed with `different-itglue-account`.
	Force bool `json:"force" default:"false" example:"false"`
} //	@name	ChangeIntegration

type changeDailySyncRequest struct {
	// False pauses the daily syncs of all organizations, true resumes them.
	Enabled *bool `json:"enabled" example:"true"`
	// A name of the IANA time zone database.
	TimeZone *string `json:"timeZone" example:"America/New_York"`
	// HH:MM in that time zone, from 00:00 to 23:59.
	Time *string `json:"time" extensions:"x-pattern=^([01][0-9]|2[0-3]):[0-5][0-9]$" example:"00:00"`
} //	@name	ChangeDailySync

func (r changeIntegrationRequest) change() integration.Change {
	return integration.Change{
		APIKey: r.APIKey, Region: r.Region, Force: r.Force,
		AutoMap: (*integration.AutoMap)(r.AutoMap), RemovalLimitPercent: r.RemovalLimitPercent,
		Daily: integration.DailyChange{Enabled: r.DailySync.Enabled, TimeZone: r.DailySync.TimeZone, Time: r.DailySync.Time},
	}
}

// faults lets bind tell what the schedule itself refuses along with the rest.
func (r changeIntegrationRequest) faults() []errs.Field { return r.change().Check() }

// dailySyncDTO is when syncs run by themselves.
type dailySyncDTO struct {
	// False while the daily syncs are paused.
	Enabled  bool   `json:"enabled" validate:"required" example:"true"`
	TimeZone string `json:"timeZone" validate:"required" example:"America/New_York"`
	// HH:MM in that time zone. On a day that does not have this time, the sync runs when the clocks are put forward over it; on one that has
	// it twice, it runs the first time.
	Time string `json:"time" validate:"required" example:"00:00"`
	// When the next one runs; null while they are paused.
	NextRunAt *time.Time `json:"nextRunAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-02-01T05:00:00Z"`
} //	@name	DailySync

func toDailySync(d integration.DailySync) *dailySyncDTO {
	return &dailySyncDTO{Enabled: d.Enabled, TimeZone: d.TimeZone, Time: d.Time, NextRunAt: utc(d.NextRunAt)}
}

type deactivatedDTO struct {
	// Number of mappings that were lost.
	MappingsRemoved int `json:"mappingsRemoved" validate:"required" minimum:"0" example:"100"`
} //	@name	Deactivated
