package e2e

import (
	"fmt"
	"net/http"
	"sync"
)

// Connect connects the account with the simulated IT Glue and returns the initial sync.
func (c Client) Connect() SyncView {
	c.T.Helper()
	return c.ConnectWith(SimKey)
}

// ConnectWith is Connect with another key.
func (c Client) ConnectWith(apiKey string) SyncView {
	c.T.Helper()
	return c.ConnectTo(apiKey, "us")
}

// ConnectTo is Connect with another key and region.
func (c Client) ConnectTo(apiKey, region string) SyncView {
	c.T.Helper()
	in := Call[IntegrationView](c, "POST", "/integrations/itglue/connect", map[string]string{"apiKey": apiKey, "region": region}, http.StatusCreated)
	// A small sync may have ended by the time of the answer.
	for _, run := range []*SyncView{in.ActiveSync, in.LastSync} {
		if run != nil {
			return *run
		}
	}
	c.T.Fatal("no initial sync")
	return SyncView{}
}

// Sync reads a sync.
func (c Client) Sync(id string) SyncView {
	c.T.Helper()
	return Call[SyncView](c, "GET", "/syncs/"+id, nil, http.StatusOK)
}

// Ended waits for the end of a sync and demands success.
func (c Client) Ended(id string) (run SyncView) {
	c.T.Helper()
	Eventually(c.T, Patience, "the end of sync "+id, func() bool {
		run = c.Sync(id)
		return run.Status != "queued" && run.Status != "running"
	})
	if run.Status != "succeeded" {
		c.T.Fatalf("the sync ended %s", run.Status)
	}
	return run
}

// RunSync starts a sync, waits for its end and returns it with its changes, keyed by the name of the organization.
func (c Client) RunSync(kind string) (run SyncView, changes map[string]ChangeView) {
	c.T.Helper()
	started := Call[SyncView](c, "POST", "/syncs", map[string]string{"kind": kind}, http.StatusAccepted)
	run = c.Ended(started.ID)
	changes = make(map[string]ChangeView)
	for _, change := range All[ChangeView](c, "/syncs/"+run.ID+"/changes") {
		changes[change.Organization.Name] = change
	}
	return run, changes
}

// AddOrganization adds an organization and returns its id.
func (c Client) AddOrganization(name, domain string) string {
	c.T.Helper()
	return Call[OrganizationView](c, "POST", "/organizations",
		map[string]string{"name": name, "domain": domain, "emailPlatform": "microsoft_365"}, http.StatusCreated).ID
}

// Row reads the mapping of an organization.
func (c Client) Row(organizationID string) RowView {
	c.T.Helper()
	return Call[RowView](c, "GET", "/mappings/"+organizationID, nil, http.StatusOK)
}

// Fill adds organizations with the names of the first ones of IT Glue.
func (c Client) Fill(n int) {
	c.T.Helper()
	InParallel(n, func(i int) { c.AddOrganization(fmt.Sprintf("Customer %d", i), fmt.Sprintf("c%d.example.com", i)) })
}

// InParallel does something for 0, 1, … n-1, several at a time.
func InParallel(n int, do func(i int)) {
	const lanes = 8
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i := lane; i < n; i += lanes {
				do(i)
			}
		})
	}
	all.Wait()
}
