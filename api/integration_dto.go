package api

import (
	"fmt"
	"time"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// itglueID is the id of the only integration on offer.
const itglueID = "itglue"

type credentialsRequest struct {
	// An IT Glue API key; stored encrypted, never returned.
	APIKey string `json:"apiKey" validate:"required,apikey" format:"password" minLength:"1" maxLength:"500" example:"ITG.demo"`
	// Where the IT Glue account is hosted.
	Region string `json:"region" validate:"required,oneof=us eu au" example:"us"`
} //	@name	Credentials

type integrationTileDTO struct {
	ID   string `json:"id" validate:"required" enums:"itglue" example:"itglue"`
	Name string `json:"name" validate:"required" example:"IT Glue"`
	// As `status` of the integration.
	Status string `json:"status" validate:"required" enums:"not_connected,connected,attention" example:"connected"`
} //	@name	IntegrationTile

// integrationDTO is the connection to IT Glue. What only a connection has is null without one.
type integrationDTO struct {
	ID string `json:"id" validate:"required" enums:"itglue" example:"itglue"`
	// - `not_connected`: the account is not connected to IT Glue. All that only a connection has is null.
	// - `connected`: connected, and nothing is known to be wrong.
	// - `attention`: connected, but a person should look at it; `attention` tells why.
	Status string  `json:"status" validate:"required" enums:"not_connected,connected,attention" example:"connected"`
	Region *string `json:"region" validate:"required" enums:"us,eu,au" extensions:"x-nullable" example:"us"`
	// Last four characters of the key.
	APIKeyHint  *string    `json:"apiKeyHint" validate:"required" extensions:"x-nullable" example:"demo"`
	ConnectedAt *time.Time `json:"connectedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:00Z"`
	// When syncs run by themselves.
	DailySync *dailySyncDTO `json:"dailySync" validate:"required" extensions:"x-nullable"`
	// Which syncs map organizations to IT Glue organizations of exactly the same name by themselves.
	//
	// - `on_connect`: the first one after connecting only.
	// - `every_sync`: every one.
	// - `off`: none.
	AutoMap *string `json:"autoMap" validate:"required" enums:"on_connect,every_sync,off" extensions:"x-nullable" example:"on_connect"`
	// Share of the active mappings that one sync may remove, at least 1 and at most 50 of them. When more would go, none goes: the sync
	// ends `held`.
	RemovalLimitPercent *int `json:"removalLimitPercent" validate:"required" minimum:"0" maximum:"100" extensions:"x-nullable" example:"10"`
	// When the list was last read from IT Glue in full; null before the first time.
	ListedAt *time.Time `json:"listedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:02Z"`
	// The sync that ended last; null before the first one.
	LastSync *syncDTO `json:"lastSync" validate:"required" extensions:"x-nullable"`
	// The sync that is queued or running; null when none is.
	ActiveSync *syncDTO `json:"activeSync" validate:"required" extensions:"x-nullable"`
	// Why a person should look at the integration; null when nothing is known to be wrong.
	Attention *attentionDTO `json:"attention" validate:"required" extensions:"x-nullable"`
	// Numbers of organizations by the state of their mapping.
	Mappings mappingCountsDTO `json:"mappings" validate:"required"`
} //	@name	Integration

// attentionDTO is what the integration needs a person for.
type attentionDTO struct {
	// - `credentials-rejected`: IT Glue refused the API key during a sync. Nothing was changed. It goes before anything else.
	// - `different-itglue-account`: the API key seems to show another IT Glue account than before, see the error of the last sync. Nothing
	//   was changed. If it is right, send the API key again with `force`.
	// - `removals-held`: the last sync would have removed more mappings than `removalLimitPercent` allows. Release or reject these
	//   removals.
	Code   string    `json:"code" validate:"required" enums:"credentials-rejected,different-itglue-account,removals-held" example:"removals-held"` //nolint:lll // a tag cannot be wrapped
	Detail string    `json:"detail" validate:"required" example:"Removals of mappings that wait for a decision: 40."`
	Since  time.Time `json:"since" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
	// The sync that waits for the decision; null unless the code is `removals-held`.
	SyncID *string `json:"syncId" validate:"required" format:"uuid" extensions:"x-nullable" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
} //	@name	Attention

type mappingCountsDTO struct {
	Unmapped int `json:"unmapped" validate:"required" minimum:"0" example:"20"`
	Active   int `json:"active" validate:"required" minimum:"0" example:"95"`
	Paused   int `json:"paused" validate:"required" minimum:"0" example:"5"`
} //	@name	MappingCounts

type testResultDTO struct {
	// Whether IT Glue accepts the key in this region.
	OK bool `json:"ok" validate:"required"`
	// Number of IT Glue organizations that the key gives access to; present only when `ok`.
	Organizations *int `json:"organizations,omitempty" minimum:"0"`
	// What is wrong; present only when not `ok`.
	//
	// - `itglue-key-rejected`: IT Glue refuses the key: wrong, revoked, of another region, or not allowed from this address.
	// - `itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment.
	// - `itglue-unavailable`: IT Glue cannot be reached or has a fault of its own.
	// - `itglue-timeout`: IT Glue did not answer in time.
	// - `itglue-bad-answer`: IT Glue's answer cannot be understood.
	Code string `json:"code,omitempty" enums:"itglue-key-rejected,itglue-rate-limited,itglue-unavailable,itglue-timeout,itglue-bad-answer"`
	// What is wrong, for people; present only when not `ok`.
	Detail string `json:"detail,omitempty"`
	// The region that accepts the key; present only when another one than the given one does.
	RegionHint string `json:"regionHint,omitempty" enums:"us,eu,au"`
} //	@name	TestResult

// directoryDTO is a page of the directory.
type directoryDTO struct {
	Items []directoryRowDTO `json:"items" validate:"required"`
	// Pass as `cursor` to get the next page; null on the last page.
	NextCursor *string `json:"nextCursor" validate:"required" extensions:"x-nullable"`
	// Number of all rows; present only with `count=true`.
	Total *int `json:"total,omitempty" minimum:"0" example:"123"`
	// When the list was last read from IT Glue in full; null before the first time.
	ListedAt *time.Time `json:"listedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:02Z"`
} //	@name	DirectoryList

type directoryRowDTO struct {
	// IT Glue's id.
	ID   string `json:"id" validate:"required" example:"4242"`
	Name string `json:"name" validate:"required" example:"Contoso"`
	// Empty when IT Glue has none, like the names of type and status.
	ShortName  string `json:"shortName" validate:"required" example:"CTS"`
	TypeName   string `json:"typeName" validate:"required" example:"Customer"`
	StatusName string `json:"statusName" validate:"required" example:"Active"`
	// True for the MSP's own organization.
	Primary bool `json:"primary" validate:"required" example:"false"`
	// Id of the organization that is mapped to it; null when none is.
	MappedOrganizationID *string `json:"mappedOrganizationId" validate:"required" format:"uuid" extensions:"x-nullable"`
} //	@name	ITGlueOrganization

func statusOf(in *integration.Integration) string {
	switch {
	case in == nil:
		return "not_connected"
	case in.Attention != nil, in.HeldSyncID != "":
		return "attention"
	default:
		return "connected"
	}
}

// attentionOf is what a person should look at. held is the sync that waits for a decision on its removals, nil when none does.
func attentionOf(in *integration.Integration, held *orgsync.Sync) *attentionDTO {
	switch a := in.Attention; {
	case a != nil:
		return &attentionDTO{Code: string(a.Code), Detail: a.Detail, Since: a.Since.UTC()}
	case held != nil:
		return &attentionDTO{
			Code: "removals-held", Since: held.FinishedAt.UTC(), SyncID: &held.ID,
			Detail: fmt.Sprintf("Removals of mappings that wait for a decision: %d.", held.Counts.Held),
		}
	default:
		return nil
	}
}

// toIntegration tells how the connection stands; in is nil when there is none.
func toIntegration(in *integration.Integration, counts mapping.Summary, active, last, held *orgsync.Sync) integrationDTO {
	out := integrationDTO{
		ID: itglueID, Status: statusOf(in),
		Mappings: mappingCountsDTO{Unmapped: counts.Unmapped, Active: counts.Active, Paused: counts.Paused},
	}
	if in == nil {
		return out
	}
	out.Region, out.APIKeyHint, out.AutoMap = new(string(in.Region)), &in.APIKeyHint, new(string(in.AutoMap))
	out.ConnectedAt, out.ListedAt = utc(&in.ConnectedAt), utc(in.ListedAt)
	out.DailySync, out.RemovalLimitPercent = toDailySync(in.Daily), &in.RemovalLimitPercent
	out.ActiveSync, out.LastSync = toSyncOrNull(active), toSyncOrNull(last)
	out.Attention = attentionOf(in, held)
	return out
}

func toTestResult(r integration.TestResult) testResultDTO {
	if r.OK {
		return testResultDTO{OK: true, Organizations: &r.Organizations}
	}
	return testResultDTO{Code: string(r.Code), Detail: r.Detail, RegionHint: r.RegionHint}
}

func toDirectoryRows(rows []integration.DirectoryRow) []directoryRowDTO {
	out := make([]directoryRowDTO, 0, len(rows))
	for _, r := range rows {
		out = append(out, directoryRowDTO{
			ID: r.ID, Name: r.Name, ShortName: r.ShortName, TypeName: r.TypeName, StatusName: r.StatusName, Primary: r.Primary,
			MappedOrganizationID: optional(r.MappedOrganizationID),
		})
	}
	return out
}
