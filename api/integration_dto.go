package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// itglueID is the id of the only integration on offer.
const itglueID = "itglue"

type credentialsRequest struct {
	// APIKey is never shown again.
	APIKey string `json:"apiKey" validate:"required,apikey" format:"password" minLength:"1" maxLength:"500"`
	Region string `json:"region" validate:"required,oneof=us eu au" example:"us"`
} //	@name	Credentials

type integrationTileDTO struct {
	ID     string `json:"id" validate:"required" enums:"itglue" example:"itglue"`
	Name   string `json:"name" validate:"required" example:"IT Glue"`
	Status string `json:"status" validate:"required" enums:"not_connected,connected,attention" example:"connected"`
} //	@name	IntegrationTile

// integrationDTO is the connection to IT Glue. What only a connection has is null without one.
type integrationDTO struct {
	ID     string  `json:"id" validate:"required" enums:"itglue" example:"itglue"`
	Status string  `json:"status" validate:"required" enums:"not_connected,connected,attention" example:"connected"`
	Region *string `json:"region" validate:"required" enums:"us,eu,au" extensions:"x-nullable" example:"us"`
	// APIKeyHint is the end of the key.
	APIKeyHint          *string    `json:"apiKeyHint" validate:"required" extensions:"x-nullable" example:"9f3c"`
	ConnectedAt         *time.Time `json:"connectedAt" validate:"required" format:"date-time" extensions:"x-nullable"`
	AutoMap             *string    `json:"autoMap" validate:"required" enums:"on_connect,every_sync,off" extensions:"x-nullable"`
	RemovalLimitPercent *int       `json:"removalLimitPercent" validate:"required" minimum:"0" maximum:"100" extensions:"x-nullable"`
	// ListedAt is when the directory was taken; null before the first complete listing.
	ListedAt   *time.Time       `json:"listedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:02Z"`
	LastSync   *syncDTO         `json:"lastSync" validate:"required" extensions:"x-nullable"`
	ActiveSync *syncDTO         `json:"activeSync" validate:"required" extensions:"x-nullable"`
	Attention  *attentionDTO    `json:"attention" validate:"required" extensions:"x-nullable"`
	Mappings   mappingCountsDTO `json:"mappings" validate:"required"`
} //	@name	Integration

// attentionDTO is what the integration needs a person for.
type attentionDTO struct {
	Code   string    `json:"code" validate:"required" enums:"credentials-rejected" example:"credentials-rejected"`
	Detail string    `json:"detail" validate:"required" example:"IT Glue refuses the API key."`
	Since  time.Time `json:"since" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
} //	@name	Attention

type mappingCountsDTO struct {
	Unmapped int `json:"unmapped" validate:"required" minimum:"0" example:"20"`
	Active   int `json:"active" validate:"required" minimum:"0" example:"95"`
	Paused   int `json:"paused" validate:"required" minimum:"0" example:"5"`
} //	@name	MappingCounts

type testResultDTO struct {
	OK bool `json:"ok" validate:"required" example:"true"`
	// Organizations counts what the key gives access to; only when it is accepted.
	Organizations *int   `json:"organizations,omitempty" minimum:"0" example:"123"`
	Code          string `json:"code,omitempty" example:"itglue-key-rejected"`
	Detail        string `json:"detail,omitempty" example:"IT Glue refuses the API key."`
	// RegionHint is another region that accepts the key.
	RegionHint string `json:"regionHint,omitempty" enums:"us,eu,au" example:"eu"`
} //	@name	TestResult

// directoryDTO is a page of the directory.
type directoryDTO struct {
	Items []directoryRowDTO `json:"items" validate:"required"`
	// NextCursor asks for the page that follows; null on the last page.
	NextCursor *string `json:"nextCursor" validate:"required" extensions:"x-nullable"`
	// Total is told when asked for with count=true.
	Total *int `json:"total,omitempty" minimum:"0" example:"123"`
	// ListedAt is when the directory was taken; null before the first complete listing.
	ListedAt *time.Time `json:"listedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:02Z"`
} //	@name	DirectoryList

type directoryRowDTO struct {
	ID         string `json:"id" validate:"required" example:"4242"`
	Name       string `json:"name" validate:"required" example:"Contoso"`
	ShortName  string `json:"shortName" validate:"required" example:"CTS"`
	TypeName   string `json:"typeName" validate:"required" example:"Customer"`
	StatusName string `json:"statusName" validate:"required" example:"Active"`
	// Primary tells that it is the MSP's own organization.
	Primary              bool    `json:"primary" validate:"required" example:"false"`
	MappedOrganizationID *string `json:"mappedOrganizationId" validate:"required" format:"uuid" extensions:"x-nullable"`
} //	@name	ITGlueOrganization

func statusOf(in *integration.Integration) string {
	switch {
	case in == nil:
		return "not_connected"
	case in.Attention != nil:
		return "attention"
	default:
		return "connected"
	}
}

// toIntegration tells how the connection stands; in is nil when there is none.
func toIntegration(in *integration.Integration, counts mapping.Summary, active, last *orgsync.Sync) integrationDTO {
	out := integrationDTO{
		ID: itglueID, Status: statusOf(in),
		Mappings: mappingCountsDTO{Unmapped: counts.Unmapped, Active: counts.Active, Paused: counts.Paused},
	}
	if in == nil {
		return out
	}
	out.Region, out.APIKeyHint, out.AutoMap = new(string(in.Region)), &in.APIKeyHint, new(string(in.AutoMap))
	out.ConnectedAt, out.ListedAt = utc(&in.ConnectedAt), utc(in.ListedAt)
	out.RemovalLimitPercent = &in.RemovalLimitPercent
	out.ActiveSync, out.LastSync = toSyncOrNull(active), toSyncOrNull(last)
	if a := in.Attention; a != nil {
		out.Attention = &attentionDTO{Code: string(a.Code), Detail: a.Detail, Since: a.Since.UTC()}
	}
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
