package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// importItem is one of the items of an import, without a domain: that is IT Glue's only one.
type importItem struct {
	ITGlueOrganizationID string `json:"itglueOrganizationId"`
	EmailPlatform        string `json:"emailPlatform"`
}

type importResult struct {
	ITGlueOrganizationID string
	Status               string
	Error                *struct{ Code string }
}

// importable puts organizations with one domain each into the simulated IT Glue.
func importable(s *e2e.Site, n int) (items []importItem) {
	s.T.Helper()
	for i := range n {
		body := map[string]any{"name": fmt.Sprintf("Customer %02d", i), "domains": []string{fmt.Sprintf("customer%02d.example.com", i)}}
		added := e2e.Call[e2e.ReferenceView](s.Sim, "POST", "/_sim/organizations", body, http.StatusCreated)
		items = append(items, importItem{ITGlueOrganizationID: added.ID, EmailPlatform: "microsoft_365"})
	}
	return items
}

func importAll(c e2e.Client, items []importItem) []importResult {
	c.T.Helper()
	return e2e.Call[e2e.ListView[importResult]](c, "POST", "/organizations/import", map[string]any{"items": items}, http.StatusOK).Items
}

// Whoever imports at the same moment, on whichever node, and maps by hand meanwhile: each IT Glue organization is taken once.
func TestImportsAtOnce(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		items, token := importable(s, 20), s.NewAccount()
		nodes := []*e2e.Server{s.Serve()}
		if !s.OnSQLite() {
			nodes = append(nodes, s.Serve())
		}
		c := nodes[0].Client(token)
		e2e.Call[e2e.ProblemView](c, "POST", "/organizations/import", map[string]any{"items": items}, http.StatusConflict)
		e2e.Call[e2e.ProblemView](c, "GET", "/integrations/itglue/organizations/"+items[0].ITGlueOrganizationID+"/domains", nil, http.StatusConflict)
		c.Ended(c.Connect().ID)

		var (
			mu    sync.Mutex
			taken = map[string]int{}
			done  sync.WaitGroup
		)
		for i := range 4 {
			importer := nodes[i%len(nodes)].Client(token)
			done.Go(func() {
				for _, result := range importAll(importer, items) {
					mu.Lock()
					if result.Status == "imported" {
						taken[result.ITGlueOrganizationID]++
					} else if result.Error.Code != "itglue-organization-already-mapped" {
						t.Errorf("%s: %s", result.ITGlueOrganizationID, result.Error.Code)
					}
					mu.Unlock()
				}
			})
		}
		for i := range 10 {
			local := c.AddOrganization(fmt.Sprintf("Local %d", i), fmt.Sprintf("local%d.example.com", i))
			target := items[19-i].ITGlueOrganizationID
			status, _ := c.Do("PUT", "/mappings/"+local, map[string]string{"itglueOrganizationId": target})
			if status == http.StatusOK {
				mu.Lock()
				taken[target]++
				mu.Unlock()
			}
		}
		done.Wait()
		held := map[string]int{}
		for _, row := range e2e.All[e2e.RowView](c, "/mappings") {
			if row.ITGlueOrganization != nil {
				held[row.ITGlueOrganization.ID]++
			}
		}
		for _, item := range items {
			if id := item.ITGlueOrganizationID; taken[id] != 1 || held[id] != 1 {
				t.Errorf("%s was taken %d times and is held %d times", id, taken[id], held[id])
			}
		}
	})
}

// A node that is killed during an import leaves whole items or none, and the same request brings the rest.
func TestImportAcrossAKilledNode(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		items, token := importable(s, 150), s.NewAccount()
		first := s.Serve()
		c := first.Client(token)
		c.Ended(c.Connect().ID)
		body, err := json.Marshal(map[string]any{"items": items})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
		defer cancel()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+"/organizations/import", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+token)
			if answer, err := (&http.Client{Timeout: time.Minute}).Do(r); err == nil { // or it is cut off
				_ = answer.Body.Close()
			}
		}()
		e2e.Eventually(t, e2e.Patience, "some of the organizations", func() bool { return len(e2e.All[e2e.OrganizationView](c, "/organizations")) > 5 })
		first.End(syscall.SIGKILL)
		<-answered

		second := s.Serve()
		c = second.Client(token)
		before := e2e.All[e2e.RowView](c, "/mappings")
		for _, row := range before {
			if row.State != "active" || row.Origin != "import" || row.ITGlueOrganization == nil {
				t.Errorf("half an import: %+v", row)
			}
		}
		imported := 0
		for _, result := range importAll(c, items) {
			if result.Status == "imported" {
				imported++
			} else if result.Error.Code != "itglue-organization-already-mapped" {
				t.Errorf("%s: %s", result.ITGlueOrganizationID, result.Error.Code)
			}
		}
		if imported+len(before) != len(items) || len(e2e.All[e2e.RowView](c, "/mappings")) != len(items) {
			t.Errorf("%d were imported before and %d after the kill, of %d", len(before), imported, len(items))
		}
		t.Logf("%d of %d were imported when the node was killed", len(before), len(items))
		e2e.Terminated(t, second)
	})
}
