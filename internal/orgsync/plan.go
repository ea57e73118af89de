package orgsync

import (
	"slices"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
)

// OrganizationState is what a plan knows of one organization and its mapping.
type OrganizationState struct {
	ID         string
	Name       string
	State      mapping.State
	ITGlueID   string // empty when unmapped
	ITGlueName string // the last one seen; empty when unmapped
	Unmatched  mapping.UnmatchedCode
}

// Absence is what IT Glue answered when an organization that the listing did not have was read by id.
type Absence int

// Unread ids were not asked for, Gone ones answered 404, Readable ones are there after all, Unclear ones gave no usable answer.
const (
	Unread Absence = iota
	Gone
	Readable
	Unclear
)

// Input is all that a plan depends on. Directory is a complete listing; Absences holds an answer for each id of [Input.Missing] that
// was read.
type Input struct {
	Organizations       []OrganizationState
	Directory           []integration.DirectoryEntry
	AutoMap             bool
	RemovalLimitPercent int
	// Removed is how many mappings an earlier attempt of the same sync has removed: they count towards its limit.
	Removed  int
	Absences map[string]Absence
}

// UnmatchedUpdate is a new reason why an organization is not mapped.
type UnmatchedUpdate struct {
	OrganizationID string
	Code           mapping.UnmatchedCode
}

// Plan is what a sync is to do. All changes are [ChangePlanned], [ChangeHeld] or [ChangeRefused]; Counts are those of the plan done
// in full.
type Plan struct {
	Changes   []Change
	Unmatched []UnmatchedUpdate
	Counts    Counts
	Held      bool
}

// maxRemovals is how many mappings one sync may ever remove on its own, whatever the percentage.
const maxRemovals = 50

// RemovalLimit is how many of the active mappings one sync may remove on its own: min(50, max(1, ⌊percent % of active⌋)).
func RemovalLimit(active, percent int) int {
	return min(maxRemovals, max(1, active*percent/100))
}

// AutoMapRuns tells whether a sync maps equal names: always with every_sync, and with on_connect until a first sync has compared the
// two sides.
func AutoMapRuns(setting integration.AutoMap, synced bool) bool {
	return setting == integration.EverySync || (setting == integration.OnConnect && !synced)
}

// Missing returns the IT Glue ids of active mappings that the directory does not have, in order of id. They are to be read by id,
// unless the directory is empty: then all removals are held whatever the reads would say.
func (in Input) Missing() []string {
	listed := make(map[string]bool, len(in.Directory))
	for i := range in.Directory {
		listed[in.Directory[i].ID] = true
	}
	var missing []string
	for i := range in.Organizations {
		if o := &in.Organizations[i]; o.State == mapping.Active && !listed[o.ITGlueID] {
			missing = append(missing, o.ITGlueID)
		}
	}
	slices.Sort(missing)
	return missing
}

// MakePlan decides everything that a sync does. It is a pure function: the same input gives the same plan, and a plan made of the
// state that it leads to changes nothing.
func MakePlan(in Input) Plan {
	p := planner{in: in, entries: make(map[string]*integration.DirectoryEntry, len(in.Directory))}
	for i := range in.Directory {
		p.entries[in.Directory[i].ID] = &in.Directory[i]
	}
	p.plan.Counts.Listed = len(in.Directory)
	p.removals()
	p.renames()
	p.autoMap()
	return p.numbered()
}

type planner struct {
	in      Input
	entries map[string]*integration.DirectoryEntry
	removed map[string]bool // by organization id
	newName map[string]string
	plan    Plan
}

// removals follows the removal rule: gone is what is absent from a complete listing and answers 404 by id; too much of it is held.
func (p *planner) removals() {
	p.removed = map[string]bool{}
	mapped, active, gone, unread := 0, 0, 0, 0
	var missing []*OrganizationState
	for i := range p.in.Organizations {
		o := &p.in.Organizations[i]
		if o.State != mapping.Unmapped {
			mapped++
		}
		if o.State != mapping.Active {
			continue
		}
		active++
		if p.entries[o.ITGlueID] != nil {
			continue
		}
		missing = append(missing, o)
		switch p.in.Absences[o.ITGlueID] {
		case Gone:
			gone++
		case Unread:
			unread++
		case Readable, Unclear:
		}
	}
	all := active + p.in.Removed
	tooMany := gone+p.in.Removed > RemovalLimit(all, p.in.RemovalLimitPercent)
	switch {
	case len(p.in.Directory) == 0:
		p.plan.Held = mapped > 0
	case unread > 0:
		p.plan.Held = true
	case gone > 0:
		p.plan.Held = tooMany || (gone == active && all > 1)
	}
	for _, o := range missing {
		p.removal(o)
	}
}

func (p *planner) removal(o *OrganizationState) {
	c := Change{
		Action: ActionUnmap, OrganizationID: o.ID, OrganizationName: o.Name,
		ITGlueID: o.ITGlueID, ITGlueName: o.ITGlueName, Before: o.ITGlueID,
	}
	absence := p.in.Absences[o.ITGlueID]
	switch {
	case absence == Readable:
		c.Status, c.Reason = ChangeRefused, ReasonStillReadable
		p.plan.Counts.Skipped++
	case absence == Unclear:
		c.Status, c.Reason = ChangeRefused, ReasonNotConfirmed
		p.plan.Counts.Skipped++
	case p.plan.Held:
		c.Status, c.Reason = ChangeHeld, ReasonDeletedInITGlue
		if absence == Unread {
			c.Reason = ReasonAbsent
		}
		p.plan.Counts.Held++
	default:
		c.Status, c.Reason = ChangePlanned, ReasonDeletedInITGlue
		p.removed[o.ID] = true
		p.plan.Counts.Unmapped++
	}
	p.plan.Changes = append(p.plan.Changes, c)
}

func (p *planner) renames() {
	p.newName = map[string]string{}
	for i := range p.in.Organizations {
		o := &p.in.Organizations[i]
		if o.State == mapping.Unmapped {
			continue
		}
		entry := p.entries[o.ITGlueID]
		switch {
		case o.State == mapping.Paused && (entry == nil || !names.Equal(o.Name, entry.Name)):
			p.skip(o, entry, ReasonPaused)
		case o.State == mapping.Paused || entry == nil:
		default:
			p.rename(o, entry)
		}
	}
}

func (p *planner) rename(o *OrganizationState, entry *integration.DirectoryEntry) {
	c, differs := renameChange(o, entry)
	switch {
	case !differs:
		p.plan.Counts.Unchanged++
		return
	case c.Action == ActionSkip:
		p.plan.Counts.Skipped++
	default:
		p.newName[o.ID] = entry.Name
		p.plan.Counts.Renamed++
	}
	p.plan.Changes = append(p.plan.Changes, c)
}

// renameChange gives an organization its IT Glue organization's name, or says why it cannot have it; differs is false when the two
// names are in step. Names that match (see [names.Equal]) are.
func renameChange(o *OrganizationState, entry *integration.DirectoryEntry) (c Change, differs bool) {
	if names.Equal(o.Name, entry.Name) {
		return Change{}, false
	}
	c = Change{
		Action: ActionRename, Status: ChangePlanned, Reason: ReasonRenamedInITGlue, OrganizationID: o.ID, OrganizationName: o.Name,
		ITGlueID: entry.ID, ITGlueName: entry.Name, Before: o.Name, After: entry.Name,
	}
	if problem := names.Check(entry.Name); problem != names.Fine {
		c.Action, c.Status, c.Reason, c.After = ActionSkip, ChangeRefused, Reason(problem), o.Name
	}
	return c, true
}

// autoMap maps what has the same name once on either side, the names being those after the renames, and finds out why the rest is
// not mapped.
func (p *planner) autoMap() {
	ours := make(map[string]int, len(p.in.Organizations))
	taken := make(map[string]bool, len(p.in.Organizations))
	for i := range p.in.Organizations {
		o := &p.in.Organizations[i]
		ours[names.Normal(p.nameAfter(o))]++
		if o.State != mapping.Unmapped && !p.removed[o.ID] {
			taken[o.ITGlueID] = true
		}
	}
	theirs := make(map[string]namesakes, len(p.in.Directory))
	for i := range p.in.Directory {
		name := names.Normal(p.in.Directory[i].Name)
		theirs[name] = namesakes{count: theirs[name].count + 1, last: &p.in.Directory[i]}
	}
	for i := range p.in.Organizations {
		o := &p.in.Organizations[i]
		if o.State != mapping.Unmapped && !p.removed[o.ID] {
			continue
		}
		name := names.Normal(o.Name)
		found := theirs[name]
		p.matched(o, mapping.Match(ours[name], found.count, found.last != nil && taken[found.last.ID]), found.last)
	}
}

// namesakes are the IT Glue organizations of one name.
type namesakes struct {
	count int
	last  *integration.DirectoryEntry
}

func (p *planner) nameAfter(o *OrganizationState) string {
	if name, ok := p.newName[o.ID]; ok {
		return name
	}
	return o.Name
}

func (p *planner) matched(o *OrganizationState, code mapping.UnmatchedCode, entry *integration.DirectoryEntry) {
	if o.Unmatched == mapping.UnmappedByPerson {
		return
	}
	switch {
	case code == mapping.Matched && p.in.AutoMap:
		p.plan.Counts.Mapped++
		p.plan.Changes = append(p.plan.Changes, Change{
			Action: ActionMap, Status: ChangePlanned, Reason: ReasonEqualName, OrganizationID: o.ID, OrganizationName: o.Name,
			ITGlueID: entry.ID, ITGlueName: entry.Name, After: entry.ID,
		})
		return
	case code == mapping.Matched:
		code = mapping.NotAutoMapped
	case code == mapping.NoEqualName && (p.removed[o.ID] || o.Unmatched == mapping.DeletedInITGlue):
		code = mapping.DeletedInITGlue
	case code == mapping.Ambiguous && p.in.AutoMap:
		p.skip(o, nil, ReasonAmbiguous)
	}
	if code != o.Unmatched {
		p.plan.Unmatched = append(p.plan.Unmatched, UnmatchedUpdate{OrganizationID: o.ID, Code: code})
	}
}

func (p *planner) skip(o *OrganizationState, entry *integration.DirectoryEntry, reason Reason) {
	c := Change{
		Action: ActionSkip, Status: ChangeRefused, Reason: reason, OrganizationID: o.ID, OrganizationName: o.Name,
		ITGlueID: o.ITGlueID, ITGlueName: o.ITGlueName, Before: o.Name, After: o.Name,
	}
	if entry != nil {
		c.ITGlueName = entry.Name
	}
	p.plan.Counts.Skipped++
	p.plan.Changes = append(p.plan.Changes, c)
}

// PlanRefresh decides on one mapped organization after a live read of its IT Glue organization, also when the mapping is paused;
// entry is nil when IT Glue answered that it is gone. A person asked for this very organization, so the removal is not limited.
func PlanRefresh(o OrganizationState, entry *integration.DirectoryEntry) Plan {
	p := planner{removed: map[string]bool{}, newName: map[string]string{}}
	if entry == nil {
		p.in.Absences = map[string]Absence{o.ITGlueID: Gone}
		p.removal(&o)
	} else {
		p.plan.Counts.Listed = 1
		p.rename(&o, entry)
	}
	return p.numbered()
}

func (p *planner) numbered() Plan {
	for i := range p.plan.Changes {
		p.plan.Changes[i].Seq = i + 1
	}
	return p.plan
}
