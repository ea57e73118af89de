package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// TestGuide plays the guide from its first page to its last, as an admin who follows it, on the running program. Every scene goes on
// where the one before has ended, and is named after what it proves: docs/guide.md refers to these names.
func TestGuide(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		g := newGuide(s)
		for _, scene := range []struct {
			name string
			play func()
		}{
			// Prerequisites, and setting up the integration
			{"NothingWithoutAToken", g.nothingWithoutAToken},
			{"OnlyAdminsConfigure", g.onlyAdminsConfigure},
			{"IntegrationsPageOffersITGlue", g.integrationsPageOffersITGlue},
			{"NothingWorksBeforeConnecting", g.nothingWorksBeforeConnecting},
			{"WrongKeyIsRefused", g.wrongKeyIsRefused},
			{"RegionIsOneOfThreeAndHinted", g.regionIsOneOfThreeAndHinted},
			{"ConnectingTakesKeyAndRegion", g.connectingTakesKeyAndRegion},
			{"ConnectingIsNotified", g.connectingIsNotified},
			{"TileShowsConnected", g.tileShowsConnected},

			// Mapping existing organizations
			{"EqualNamesAreMapped", g.equalNamesAreMapped},
			{"OthersShowNone", g.othersShowNone},
			{"CaseCounts", g.caseCounts},
			{"DropDownOffersUnmappedOnly", g.dropDownOffersUnmappedOnly},
			{"MappingIsOneToOne", g.mappingIsOneToOne},
			{"SelectingMapsAndSwitchesOn", g.selectingMapsAndSwitchesOn},
			{"RefreshShowsTheMapping", g.refreshShowsTheMapping},
			{"ExistingMappingIsChanged", g.existingMappingIsChanged},
			{"NoneUnmaps", g.noneUnmaps},

			// Adding organizations from IT Glue
			{"DomainsAreOffered", g.domainsAreOffered},
			{"AddingTakesNameAndDomain", g.addingTakesNameAndDomain},
			{"AddingMapsAtOnce", g.addingMapsAtOnce},
			{"AddedIsOfferedNoMore", g.addedIsOfferedNoMore},
			{"NoneFreesForAdding", g.noneFreesForAdding},
			{"DomainMayBeEntered", g.domainMayBeEntered},
			{"DomainNeverChanges", g.domainNeverChanges},
			{"AllInformationIsRequired", g.allInformationIsRequired},
			{"MoreAreAdded", g.moreAreAdded},
			{"RemovingFreesTheCounterpart", g.removingFreesTheCounterpart},

			// Names in step
			{"PreviewChangesNothing", g.previewChangesNothing},
			{"ManualSyncRenames", g.manualSyncRenames},
			{"PausedIsLeftOut", g.pausedIsLeftOut},
			{"RefreshOverwritesAlsoWhenPaused", g.refreshOverwritesAlsoWhenPaused},
			{"WorkGoesOnWhileItSyncs", g.workGoesOnWhileItSyncs},

			// Integration Settings
			{"SettingsShowTheIntegration", g.settingsShowTheIntegration},
			{"DailySyncIsAtMidnightInNewYork", g.dailySyncIsAtMidnightInNewYork},
			{"PausingTheDailySyncIsNotified", g.pausingTheDailySyncIsNotified},
			{"PausedDailySyncLeavesTheRest", g.pausedDailySyncLeavesTheRest},
			{"KeyIsCheckedBeforeItIsTaken", g.keyIsCheckedBeforeItIsTaken},
			{"NewKeyIsTaken", g.newKeyIsTaken},
			{"RegionIsChanged", g.regionIsChanged},
			{"RevokedKeyKeepsMappings", g.revokedKeyKeepsMappings},
			{"NewKeyRecovers", g.newKeyRecovers},
			{"PausedNightIsQuiet", g.pausedNightIsQuiet},
			{"DailySyncIsResumed", g.dailySyncIsResumed},
			{"OvernightSyncRenames", g.overnightSyncRenames},
			{"PausedIsLeftOutOvernight", g.pausedIsLeftOutOvernight},

			// Deleted in IT Glue
			{"DeletedIsUnmappedBySync", g.deletedIsUnmappedBySync},
			{"DeletedIsUnmappedByRefresh", g.deletedIsUnmappedByRefresh},

			// More than a sync takes away without asking
			{"SyncIsCancelled", g.syncIsCancelled},
			{"ManyDeletedAreHeld", g.manyDeletedAreHeld},
			{"RejectedStayMapped", g.rejectedStayMapped},
			{"ReleasedAreUnmapped", g.releasedAreUnmapped},

			// Deactivating
			{"EverythingOutlivesARestart", g.everythingOutlivesARestart},
			{"DeactivatingAsksForConfirmation", g.deactivatingAsksForConfirmation},
			{"DeactivatingLosesAllMappings", g.deactivatingLosesAllMappings},
			{"NothingWorksAfterDeactivating", g.nothingWorksAfterDeactivating},
			{"ReconnectingStartsClean", g.reconnectingStartsClean},

			// For good
			{"OnlyOrganizationsAndDomainsAreRead", g.onlyOrganizationsAndDomainsAreRead},
			{"KeyIsNeverShown", g.keyIsNeverShown},
		} {
			played := t.Run(scene.name, func(t *testing.T) {
				t.Helper()
				g.scene(t, scene.play)
			})
			if !played {
				t.Fatal("the guide cannot go on from here")
			}
		}
		e2e.Terminated(t, g.server)
	})
}

// guide is the story so far.
type guide struct {
	*e2e.Site

	now    *testing.T // the scene that is played
	server *e2e.Server
	c      e2e.Client        // the admin
	europe e2e.Client        // works the simulated IT Glue of the region eu
	org    map[string]string // ids of organizations, by the name that they began with
	glue   map[string]string // ids of IT Glue organizations, by the name that they began with
}

// europeanKey is valid in the region eu only.
const europeanKey = "ITG.e2e00000000000000000000000000eur"

func newGuide(s *e2e.Site) *guide {
	s.T.Helper()
	g := &guide{Site: s, europe: e2e.Simulator(s.T, europeanKey), org: map[string]string{}, glue: map[string]string{}}
	s.Env = append(s.Env, "ORGBRIDGE_ITGLUE_EU_URL="+g.europe.Base)
	for _, name := range []string{
		"Alpine Dental", "Bayside Legal", "Cedar Architects", "Delta Foods", "Evergreen Logistics", "Sandbox Graphus", "Unrelated",
	} {
		g.glue[name] = s.Add(name)
	}
	for name, domains := range map[string][]string{
		"Juniper Accounting": {"juniper.onmicrosoft.com", "Juniper.example.com"},
		"Kestrel Aviation":   {"kestrel.example.com", "kestrel-air.example.com"},
		"Orchard Veterinary": {"orchard.example.com"},
		"Meridian Freight":   nil,
	} {
		g.glue[name] = s.Add(name, domains...)
	}
	s.Add("Twin Peaks")
	s.Add("Twin Peaks")

	token := s.NewAccount()
	g.server = s.Serve()
	g.c = g.server.Client(token)
	for _, name := range []string{
		"Alpine Dental", "Bayside Legal", "Cedar architects", "Delta Foods", "Evergreen Logistics", "Demo", "Twin Peaks",
	} {
		g.org[name] = g.c.AddOrganization(name, strings.ToLower(strings.ReplaceAll(name, " ", "-"))+".example.com")
	}
	return g
}

// scene has everything fail the subtest that is under way, and not the story.
func (g *guide) scene(t *testing.T, play func()) {
	t.Helper()
	g.now, g.c.T, g.Sim.T, g.europe.T = t, t, t, t
	play()
	g.c.T, g.Sim.T, g.europe.T = g.T, g.T, g.T
}

// restart ends the server in order and starts the next one.
func (g *guide) restart() {
	g.T.Helper()
	e2e.Terminated(g.T, g.server)
	g.server = g.Serve()
	next := g.server.Client(g.c.Token)
	next.T = g.c.T
	g.c = next
}

func (g *guide) integration() e2e.IntegrationView {
	g.c.T.Helper()
	return e2e.Call[e2e.IntegrationView](g.c, "GET", "/integrations/itglue", nil, http.StatusOK)
}

// heldSync runs a sync that is held.
func (g *guide) heldSync() (run e2e.SyncView) {
	g.c.T.Helper()
	id := e2e.Call[e2e.SyncView](g.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID
	e2e.Eventually(g.c.T, e2e.Patience, "the sync to be held", func() bool {
		run = g.c.Sync(id)
		return run.Status == "held"
	})
	return run
}

// newest is the event of the type that happened last.
func (g *guide) newest(kind string) e2e.EventView {
	g.c.T.Helper()
	events := e2e.Call[e2e.ListView[e2e.EventView]](g.c, "GET", "/events?limit=1&type="+kind, nil, http.StatusOK).Items
	if len(events) == 0 {
		g.c.T.Fatalf("there is no event %s", kind)
	}
	return events[0]
}

// history is what happened to an organization, newest first.
func (g *guide) history(organizationID string) (types []string) {
	g.c.T.Helper()
	for _, e := range e2e.Call[e2e.ListView[e2e.EventView]](g.c, "GET", "/events?organizationId="+organizationID, nil, http.StatusOK).Items {
		types = append(types, e.Type)
	}
	return types
}

// dropDown is what the drop-down offers.
func (g *guide) dropDown(search string) (names []string) {
	g.c.T.Helper()
	for _, o := range e2e.Call[e2e.ListView[e2e.ReferenceView]](g.c, "GET", "/integrations/itglue/organizations?mapped=false&search="+search, nil, http.StatusOK).Items {
		names = append(names, o.Name)
	}
	return names
}

func (g *guide) selectITGlue(organizationID, itglueID string) e2e.RowView {
	g.c.T.Helper()
	return e2e.Call[e2e.RowView](g.c, "PUT", "/mappings/"+organizationID, map[string]string{"itglueOrganizationId": itglueID}, http.StatusOK)
}

func (g *guide) toggle(organizationID string, on bool) e2e.RowView {
	g.c.T.Helper()
	return e2e.Call[e2e.RowView](g.c, "PATCH", "/mappings/"+organizationID, map[string]bool{"syncEnabled": on}, http.StatusOK)
}

func (g *guide) refresh(organizationID string) e2e.RowView {
	g.c.T.Helper()
	return e2e.Call[e2e.RowView](g.c, "POST", "/mappings/"+organizationID+"/sync", nil, http.StatusOK)
}

// refused demands that a call is refused with the code.
func (g *guide) refused(method, path string, body any, status int, code string) e2e.ProblemView {
	g.c.T.Helper()
	problem := e2e.Call[e2e.ProblemView](g.c, method, path, body, status)
	if problem.Code != code {
		g.c.T.Errorf("%s %s is refused as %q instead of %q", method, path, problem.Code, code)
	}
	return problem
}

func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v instead of %v", what, got, want)
	}
}

func are(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q instead of %q", what, got, want)
	}
}

func checkRow(t *testing.T, row e2e.RowView, state, origin, itglueID, unmatched string) {
	t.Helper()
	gotID, gotCode := "", ""
	if row.ITGlueOrganization != nil {
		gotID = row.ITGlueOrganization.ID
	}
	if row.Unmatched != nil {
		gotCode = row.Unmatched.Code
	}
	if row.State != state || row.Origin != origin || gotID != itglueID || gotCode != unmatched || row.SyncEnabled != (state == "active") {
		t.Errorf("%s is %s (%s) to %q, sync %v, reason %q; expected %s (%s) to %q, reason %q",
			row.Organization.Name, row.State, row.Origin, gotID, row.SyncEnabled, gotCode, state, origin, itglueID, unmatched)
	}
}

func checkName(t *testing.T, c e2e.Client, organizationID, name string) {
	t.Helper()
	if got := e2e.Call[e2e.OrganizationView](c, "GET", "/organizations/"+organizationID, nil, http.StatusOK); got.Name != name {
		t.Errorf("the name is %q instead of %q", got.Name, name)
	}
}

// hasChange compares the fields that want gives.
func hasChange(changes map[string]e2e.ChangeView, want e2e.ChangeView) bool {
	for _, c := range changes {
		if c.Action == want.Action && c.Reason == want.Reason && (want.Status == "" || c.Status == want.Status) {
			return true
		}
	}
	return false
}
