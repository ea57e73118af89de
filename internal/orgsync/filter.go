package orgsync

import "github.com/orgbridge/orgbridge/internal/page"

// Filter chooses syncs, newest first. Kind and Status empty mean all. Of After only the ID counts.
type Filter struct {
	Kind   Kind
	Status Status
	After  *page.Position
	Limit  int
}

// ChangeFilter chooses the changes of one sync, in order of Seq. Action and Status empty mean all. After's Key is the Seq in decimal.
type ChangeFilter struct {
	Action Action
	Status ChangeStatus
	After  *page.Position
	Limit  int
}
