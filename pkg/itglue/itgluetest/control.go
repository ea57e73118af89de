package itgluetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// shownCalls is how many calls GET /_sim/calls shows at most.
const shownCalls = 1000

// Control returns a handler that works the server over HTTP, for programs that
// run it in another process. It asks for no key, so it must not be reachable
// from elsewhere. Bodies and answers are JSON; a wrong call is 400, an unknown
// organization 404, each with {"message": "..."}; calls without an answer are 204.
//
//	GET    /_sim/organizations?name=           all organizations, or those of exactly this name
//	POST   /_sim/organizations                 adds an Organization; 201 with it
//	DELETE /_sim/organizations                 deletes all
//	GET    /_sim/organizations/{id}            one organization
//	POST   /_sim/organizations/{id}/rename     {"name": "..."}
//	POST   /_sim/organizations/{id}/delete
//	GET    /_sim/calls                         {"count": n, "calls": [the last 1,000, a Call each]}
//	DELETE /_sim/calls                         empties the log
//	POST   /_sim/faults                        injects a Fault
//	DELETE /_sim/faults                        removes all faults
//	POST   /_sim/keys                          {"key": "..."} makes a key valid
//	POST   /_sim/keys/revoke                   {"key": "..."} makes it invalid
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()

	mux.HandleFunc("GET /_sim/organizations", s.controlList)
	mux.HandleFunc("POST /_sim/organizations", s.controlAdd)
	mux.HandleFunc("DELETE /_sim/organizations", s.controlDo(func() { s.Reset() }))
	mux.HandleFunc("GET /_sim/organizations/{id}", s.controlShow)
	mux.HandleFunc("POST /_sim/organizations/{id}/rename", s.controlRename)
	mux.HandleFunc("POST /_sim/organizations/{id}/delete", s.controlDelete)
	mux.HandleFunc("GET /_sim/calls", s.controlCalls)
	mux.HandleFunc("DELETE /_sim/calls", s.controlDo(s.ResetCalls))
	mux.HandleFunc("POST /_sim/faults", s.controlInject)
	mux.HandleFunc("DELETE /_sim/faults", s.controlDo(s.ClearFaults))
	mux.HandleFunc("POST /_sim/keys", s.controlKey(s.AddKey))
	mux.HandleFunc("POST /_sim/keys/revoke", s.controlKey(s.RevokeKey))

	return mux
}

func (s *Server) controlList(w http.ResponseWriter, r *http.Request) {
	found := []Organization{}

	for _, organization := range s.Organizations() {
		if name := r.URL.Query().Get("name"); name == "" || name == organization.Name {
			found = append(found, organization)
		}
	}

	respond(w, http.StatusOK, found)
}

func (s *Server) controlAdd(w http.ResponseWriter, r *http.Request) {
	var organization Organization
	if !readControl(w, r, &organization) {
		return
	}

	id, err := s.store.add(organization)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())

		return
	}

	added, _ := s.Organization(id)
	respond(w, http.StatusCreated, added)
}

func (s *Server) controlShow(w http.ResponseWriter, r *http.Request) {
	organization, ok := s.Organization(r.PathValue("id"))
	if !ok {
		refuse(w, http.StatusNotFound, "no such organization")

		return
	}

	respond(w, http.StatusOK, organization)
}

func (s *Server) controlRename(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name *string `json:"name"`
	}
	if !readControl(w, r, &body) {
		return
	}

	if body.Name == nil {
		refuse(w, http.StatusBadRequest, "name is missing")

		return
	}

	confirm(w, s.Rename(r.PathValue("id"), *body.Name))
}

func (s *Server) controlDelete(w http.ResponseWriter, r *http.Request) {
	confirm(w, s.Delete(r.PathValue("id")))
}

func (s *Server) controlCalls(w http.ResponseWriter, _ *http.Request) {
	calls := s.Calls()
	if len(calls) > shownCalls {
		calls = calls[len(calls)-shownCalls:]
	}

	respond(w, http.StatusOK, map[string]any{"count": s.CallCount(), "calls": calls})
}

func (s *Server) controlInject(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	if !readControl(w, r, &fault) {
		return
	}

	if err := fault.check(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())

		return
	}

	s.Inject(fault)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlKey(do func(key string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Key string `json:"key"`
		}
		if !readControl(w, r, &body) {
			return
		}

		if strings.TrimSpace(body.Key) == "" {
			refuse(w, http.StatusBadRequest, "key is missing")

			return
		}

		do(body.Key)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) controlDo(do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		do()
		w.WriteHeader(http.StatusNoContent)
	}
}

// readControl refuses unknown members: a misspelt one would make a test pass
// for the wrong reason.
func readControl(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	decoder.DisallowUnknownFields()

	if err := decoder.Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("body: %v", err))

		return false
	}

	return true
}

func confirm(w http.ResponseWriter, found bool) {
	if !found {
		refuse(w, http.StatusNotFound, "no such organization")

		return
	}

	w.WriteHeader(http.StatusNoContent)
}

func refuse(w http.ResponseWriter, status int, message string) {
	respond(w, status, map[string]string{"message": message})
}

func respond(w http.ResponseWriter, status int, body any) {
	encoded := marshal(body)

	w.Header().Set("Content-Type", mediaTypeJSON)
	w.WriteHeader(status)

	_, _ = w.Write(encoded) //nolint:gosec // JSON, and said to be
}
