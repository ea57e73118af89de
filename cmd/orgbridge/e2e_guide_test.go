package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestGuide plays the guide from its first page to its last, as an admin who follows it, on the running program. Every scene goes on
// where the one before has ended, and is named after what it proves: docs/guide.md refers to these names.
func TestGuide(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, s *site) {
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
		terminated(t, g.server)
	})
}

// guide is the story so far.
type guide struct {
	*site

	now    *testing.T // the scene that is played
	server *server
	c      client            // the admin
	europe client            // works the simulated IT Glue of the region eu
	org    map[string]string // ids of organizations, by the name that they began with
	glue   map[string]string // ids of IT Glue organizations, by the name that they began with
}

// europeanKey is valid in the region eu only.
const europeanKey = "ITG.e2e00000000000000000000000000eur"

func newGuide(s *site) *guide {
	s.t.Helper()
	g := &guide{site: s, europe: simulator(s.t, europeanKey), org: map[string]string{}, glue: map[string]string{}}
	s.env = append(s.env, "ORGBRIDGE_ITGLUE_EU_URL="+g.europe.base)
	for _, name := range []string{
		"Alpine Dental", "Bayside Legal", "Cedar Architects", "Delta Foods", "Evergreen Logistics", "Sandbox Graphus", "Unrelated",
	} {
		g.glue[name] = s.add(name)
	}
	for name, domains := range map[string][]string{
		"Juniper Accounting": {"juniper.onmicrosoft.com", "Juniper.example.com"},
		"Kestrel Aviation":   {"kestrel.example.com", "kestrel-air.example.com"},
		"Orchard Veterinary": {"orchard.example.com"},
		"Meridian Freight":   nil,
	} {
		g.glue[name] = s.add(name, domains...)
	}
	s.add("Twin Peaks")
	s.add("Twin Peaks")

	token := s.newAccount()
	g.server = s.serve()
	g.c = g.server.client(token)
	for _, name := range []string{
		"Alpine Dental", "Bayside Legal", "Cedar architects", "Delta Foods", "Evergreen Logistics", "Demo", "Twin Peaks",
	} {
		g.org[name] = g.c.addOrganization(name, strings.ToLower(strings.ReplaceAll(name, " ", "-"))+".example.com")
	}
	return g
}

// scene has everything fail the subtest that is under way, and not the story.
func (g *guide) scene(t *testing.T, play func()) {
	t.Helper()
	g.now, g.c.t, g.sim.t, g.europe.t = t, t, t, t
	play()
	g.c.t, g.sim.t, g.europe.t = g.t, g.t, g.t
}

// restart ends the server in order and starts the next one.
func (g *guide) restart() {
	g.t.Helper()
	terminated(g.t, g.server)
	g.server = g.serve()
	next := g.server.client(g.c.token)
	next.t = g.c.t
	g.c = next
}

func (g *guide) integration() integrationView {
	g.c.t.Helper()
	return call[integrationView](g.c, "GET", "/integrations/itglue", nil, http.StatusOK)
}

// heldSync runs a sync that is held.
func (g *guide) heldSync() (run syncView) {
	g.c.t.Helper()
	id := call[syncView](g.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID
	eventually(g.c.t, patience, "the sync to be held", func() bool {
		run = g.c.sync(id)
		return run.Status == "held"
	})
	return run
}

// newest is the event of the type that happened last.
func (g *guide) newest(kind string) eventView {
	g.c.t.Helper()
	events := call[listView[eventView]](g.c, "GET", "/events?limit=1&type="+kind, nil, http.StatusOK).Items
	if len(events) == 0 {
		g.c.t.Fatalf("there is no event %s", kind)
	}
	return events[0]
}

// history is what happened to an organization, newest first.
func (g *guide) history(organizationID string) (types []string) {
	g.c.t.Helper()
	for _, e := range call[listView[eventView]](g.c, "GET", "/events?organizationId="+organizationID, nil, http.StatusOK).Items {
		types = append(types, e.Type)
	}
	return types
}

// dropDown is what the drop-down offers.
func (g *guide) dropDown(search string) (names []string) {
	g.c.t.Helper()
	for _, o := range call[listView[referenceView]](g.c, "GET", "/integrations/itglue/organizations?mapped=false&search="+search, nil, http.StatusOK).Items {
		names = append(names, o.Name)
	}
	return names
}

func (g *guide) selectITGlue(organizationID, itglueID string) rowView {
	g.c.t.Helper()
	return call[rowView](g.c, "PUT", "/mappings/"+organizationID, map[string]string{"itglueOrganizationId": itglueID}, http.StatusOK)
}

func (g *guide) toggle(organizationID string, on bool) rowView {
	g.c.t.Helper()
	return call[rowView](g.c, "PATCH", "/mappings/"+organizationID, map[string]bool{"syncEnabled": on}, http.StatusOK)
}

func (g *guide) refresh(organizationID string) rowView {
	g.c.t.Helper()
	return call[rowView](g.c, "POST", "/mappings/"+organizationID+"/sync", nil, http.StatusOK)
}

// refused demands that a call is refused with the code.
func (g *guide) refused(method, path string, body any, status int, code string) problemView {
	g.c.t.Helper()
	problem := call[problemView](g.c, method, path, body, status)
	if problem.Code != code {
		g.c.t.Errorf("%s %s is refused as %q instead of %q", method, path, problem.Code, code)
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

func checkRow(t *testing.T, row rowView, state, origin, itglueID, unmatched string) {
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

func checkName(t *testing.T, c client, organizationID, name string) {
	t.Helper()
	if got := call[organizationView](c, "GET", "/organizations/"+organizationID, nil, http.StatusOK); got.Name != name {
		t.Errorf("the name is %q instead of %q", got.Name, name)
	}
}

// hasChange compares the fields that want gives.
func hasChange(changes map[string]changeView, want changeView) bool {
	for _, c := range changes {
		if c.Action == want.Action && c.Reason == want.Reason && (want.Status == "" || c.Status == want.Status) {
			return true
		}
	}
	return false
}
