package orgsync

import (
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
)

// Overview is an account's integration with all that is shown with it.
type Overview struct {
	Integration integration.Integration
	Mappings    mapping.Summary
	Active      *Sync // queued or running; nil for none
	Last        *Sync // that ended last; nil for none
	Held        *Sync // whose removals wait for a person; nil for none
}
