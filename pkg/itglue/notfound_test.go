package itglue_test

import (
	"net/http"
	"testing"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// Whoever removes something because of a 404 must be able to rely on it.
func TestOnlyITGluesOwn404MeansNotFound(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		style itgluetest.BodyStyle
		body  string
		want  itglue.Kind
	}{
		"Application":     {style: itgluetest.BodyErrors, want: itglue.KindNotFound},
		"Gateway":         {style: itgluetest.BodyMessage, want: itglue.KindMalformed},
		"Proxy":           {style: itgluetest.BodyHTML, want: itglue.KindMalformed},
		"Empty":           {style: itgluetest.BodyEmpty, want: itglue.KindMalformed},
		"NoErrors":        {style: itgluetest.BodyRaw, body: `{"errors":[]}`, want: itglue.KindMalformed},
		"ErrorsOfAnother": {style: itgluetest.BodyRaw, body: `{"errors":"none"}`, want: itglue.KindMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			server := itgluetest.StartTB(t, itgluetest.WithKey("ITG.test"))
			id := server.Add(itgluetest.Organization{Name: "Acme"})[0]
			server.Inject(itgluetest.Fault{
				Kind: itgluetest.FaultStatus, Status: http.StatusNotFound, Style: c.style, Body: c.body,
			})

			client, err := itglue.New(itglue.Config{BaseURL: server.URL, APIKey: "ITG.test"})
			if err != nil {
				t.Fatal(err)
			}

			if _, err = client.Organization(t.Context(), id); itglue.KindOf(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
