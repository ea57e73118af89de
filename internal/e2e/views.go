package e2e

import (
	"net/url"
	"time"
)

// Views are the parts of answers that the tests look at.
//
//nolint:revive // they are described once
type (
	SyncView struct {
		ID       string
		Kind     string
		Status   string
		Progress struct{ Done int }
		Counts   struct{ Listed, Unchanged, Renamed, Mapped, Unmapped, Held, Skipped int }
	}
	OrganizationView struct{ ID, Name, Domain string }
	ReferenceView    struct{ ID, Name string }
	RowView          struct {
		Organization       OrganizationView
		ITGlueOrganization *ReferenceView
		State              string
		SyncEnabled        bool
		Origin             string
		Unmatched          *struct{ Code string }
	}
	ChangeView struct {
		Action, Status, Reason string
		Organization           ReferenceView
		Before, After          string
	}
	ProblemView struct {
		Code   string
		Detail string
		Params map[string]any
		Errors []struct{ Pointer, Code string }
	}
	CallsView struct {
		Count int
		Calls []struct {
			Method, Path string
			Query        url.Values
			Status       int
			At           time.Time
		}
	}
	TileView struct{ ID, Name, Status string }
	TestView struct {
		OK               bool
		Organizations    int
		Code, RegionHint string
	}
	EventView struct {
		Type          string
		Actor         struct{ TokenName string }
		SyncID        string
		Organization  ReferenceView
		Before, After map[string]any
		Detail        string
	}
	AttentionView   struct{ Code, SyncID string }
	IntegrationView struct {
		Status     string
		Attention  *AttentionView
		Region     string
		APIKeyHint string
		AutoMap    string
		DailySync  struct {
			Enabled   bool
			TimeZone  string
			NextRunAt *time.Time
		}
		ActiveSync *SyncView
		LastSync   *SyncView
		Mappings   struct{ Unmapped, Active, Paused int }
	}
	ListView[T any] struct {
		Items      []T
		NextCursor string
	}
)
