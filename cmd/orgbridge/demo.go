package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/metrics"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const (
	// demoKey opens the simulated IT Glue and nothing else.
	demoKey = "ITG.demo"
	// demoRenamed and demoDeleted are the IT Glue organizations that the printed commands work on.
	demoRenamed = "1001"
	demoDeleted = "1002"
)

func (p program) demo() *cobra.Command {
	return p.command(&cobra.Command{
		Use:   "demo",
		Short: "Try it out: everything in one process, with a simulated IT Glue and sample data",
		Long: "Prints an address, a token and three commands to paste. Nothing outside this machine is called, and nothing is left\n" +
			"behind after Ctrl-C or SIGTERM. When the default address is taken, a free port is used.",
		Example: "  orgbridge demo",
	}, demo, config.Addr, config.RequestsPerMinute, config.FailedAuthenticationsPerMinute, config.LogLevel, config.LogFormat)
}

func demo(ctx context.Context, in invocation) (err error) {
	dir, err := os.MkdirTemp("", "orgbridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	sim := itgluetest.New(itgluetest.WithKey(demoKey), itgluetest.WithControl())
	sim.Add(demoITGlue()...)
	glue, err := sim.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer glue.Close()

	in.config = demoConfig(in.config, dir, glue.URL)
	listener, err := demoListen(ctx, in.config)
	if err != nil {
		return err
	}
	logger := newLogger(in)
	n, err := newNode(ctx, in.config, roles{api: true, workers: true}, logger, watchers{metrics: metrics.New(versionName(), logger)})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return n.serve(ctx, listener, func() error {
		token, err := n.demoData(ctx)
		if err != nil {
			return err
		}
		return greet(in.stdout, "http://"+reachable(listener.Addr().String()), token, glue.URL)
	})
}

func demoConfig(c config.Config, dir, glue string) config.Config {
	c.DatabaseURL = "sqlite://" + filepath.Join(dir, "orgbridge.db")
	c.Keyset = ""
	for _, region := range itglue.Regions() {
		c.ITGlueURLs[region] = glue
	}
	c.ITGlueRequestsPer5Minutes = itglue.DefaultRequestsPer5Minutes
	if !c.Given(config.LogLevel) {
		c.LogLevel = slog.LevelWarn // the screen is for the commands
	}
	return c
}

// demoListen insists on an address only if it was asked for.
func demoListen(ctx context.Context, c config.Config) (net.Listener, error) {
	listener, err := listen(ctx, config.Addr, c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) && !c.Given(config.Addr) {
		return listen(ctx, config.Addr, "127.0.0.1:0")
	}
	return listener, err
}

func (n *node) demoData(ctx context.Context) (token string, err error) {
	a, err := n.accounts.CreateAccount(ctx, "Lighthouse IT Services", event.Actor{})
	if err != nil {
		return "", err
	}
	for _, o := range demoOrganizations() {
		if _, err := n.organizations.Create(ctx, a.ID, o, event.Actor{}); err != nil {
			return "", fmt.Errorf("add %q: %w", o.Name, err)
		}
	}
	_, token, err = n.accounts.CreateToken(ctx, account.NewToken{AccountID: a.ID, Role: account.Admin, Name: "demo"}, event.Actor{})
	return token, err
}

// greet says what to do next. Scripts read it: the commands are the lines that begin with two spaces and "curl".
func greet(w io.Writer, address, token, glue string) error {
	auth := "-H 'Authorization: Bearer " + token + "'"
	body := "-H 'Content-Type: application/json' -d"
	_, err := fmt.Fprintf(w, `Address: %[1]s
Token:   %[2]s
Swagger: %[1]s/swagger/
Connect to the simulated IT Glue, see what was mapped and why the rest was not, and start a sync:
  curl -sS -X POST %[1]s/api/v1/integrations/itglue/connect %[3]s %[4]s '{"apiKey": "%[5]s", "region": "us"}'
  curl -sS %[1]s/api/v1/mappings %[3]s
  curl -sS -X POST %[1]s/api/v1/syncs %[3]s %[4]s '{"kind": "manual"}'
Then rename or delete organizations in the simulated IT Glue, and sync again to see what follows from it:
  list:   curl -sS %[6]s/_sim/organizations
  rename: curl -sS -X POST %[6]s/_sim/organizations/%[7]s/rename -d '{"name": "Alpine Dental Partners"}'
  delete: curl -sS -X POST %[6]s/_sim/organizations/%[8]s/delete
`, address, token, auth, body, demoKey, glue, demoRenamed, demoDeleted)
	return err
}

// demoOrganizations has one organization for each thing that can happen when names are compared.
func demoOrganizations() []organization.New {
	add := func(name, domain string, platform organization.EmailPlatform) organization.New {
		return organization.New{Name: name, Domain: domain + ".example.com", EmailPlatform: platform}
	}
	return []organization.New{
		// Equal names: mapped.
		add("Alpine Dental Group", "alpinedental", organization.Microsoft365),
		add("Bayside Legal LLP", "baysidelegal", organization.GoogleWorkspace),
		add("Cedar & Stone Architects", "cedarstone", organization.Microsoft365),
		add("Döring Maschinenbau GmbH", "doering", organization.Microsoft365),
		add("Evergreen Logistics", "evergreen", organization.Microsoft365),
		add("Lighthouse IT Services", "lighthouse", organization.GoogleWorkspace),
		// Only almost equal: for a person to decide.
		add("Northwind traders", "northwind", organization.Microsoft365),
		add("Harbor View Clinic", "harborview", organization.GoogleWorkspace),
		// The name is there twice, in IT Glue or here: for a person to decide.
		add("Summit Partners", "summit", organization.Microsoft365),
		add("Riverside Bakery", "riverside-north", organization.GoogleWorkspace),
		add("Riverside Bakery", "riverside-south", organization.GoogleWorkspace),
		// Called otherwise in IT Glue: for a person who knows.
		add("Demo", "demo", organization.Microsoft365),
		// No counterpart.
		add("Quantum Florists", "quantumflorists", organization.Microsoft365),
	}
}

func demoITGlue() []itgluetest.Organization {
	customer := func(id, name string, domains ...string) itgluetest.Organization {
		return itgluetest.Organization{ID: id, Name: name, TypeName: "Customer", StatusName: "Active", Domains: domains}
	}
	return []itgluetest.Organization{
		{ID: "1000", Name: "Lighthouse IT Services", StatusName: "Active", Primary: true, Domains: []string{"lighthouse.example.com"}},
		customer(demoRenamed, "Alpine Dental Group", "alpinedental.example.com"),
		customer(demoDeleted, "Bayside Legal LLP", "baysidelegal.example.com"),
		customer("1003", "Cedar & Stone Architects", "cedarstone.example.com"),
		customer("1004", "Do\u0308ring Maschinenbau GmbH", "doering.example.com"), // the same letters, composed in another way
		customer("1005", "Evergreen Logistics", "evergreen.example.com"),
		customer("1006", "Northwind Traders", "northwind.example.com"),
		customer("1007", " Harbor View Clinic ", "harborview.example.com"),
		customer("1008", "Summit Partners", "summit-east.example.com"),
		customer("1009", "Summit Partners", "summit-west.example.com"),
		customer("1010", "Riverside Bakery", "riverside-north.example.com"),
		customer("1011", "Sandbox Graphus", "demo.example.com"),
		// Not added here yet, with every kind of domains that an import meets: one, several, one of the email provider's beside an own
		// one and alone, one that another organization has, one that is none, and no domain at all.
		customer("1012", "Juniper Accounting", "juniper.example.com"),
		customer("1013", "Kestrel Aviation", "kestrel.example.com", "kestrel-air.example.com"),
		customer("1014", "Larkspur Interiors", "larkspur.onmicrosoft.com", "Larkspur.example.com"),
		customer("1015", "Orchard Veterinary", "orchardvet.onmicrosoft.com"),
		customer("1016", "Evergreen Storage", "evergreen.example.com"),
		customer("1017", "Pinewood School", "pinewood.local:8080"),
		{ID: "1018", Name: "Meridian Freight", TypeName: "Prospect", StatusName: "Active"},
	}
}
