package itglue_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// startExample starts a simulated IT Glue and a client of it. A real program
// uses a region's BaseURL instead.
func startExample() (*itgluetest.Listening, *itglue.Client) {
	server, err := itgluetest.Start(itgluetest.WithKey("ITG.example"))
	if err != nil {
		panic(err)
	}

	limiters := itglue.NewLimiters(itglue.DefaultRequestsPer5Minutes)

	client, err := itglue.New(itglue.Config{
		BaseURL: server.URL,
		APIKey:  "ITG.example",
		Limiter: limiters.ForKey("ITG.example"),
	})
	if err != nil {
		panic(err)
	}

	return server, client
}

func ExampleClient_OrganizationPages() {
	server, client := startExample()
	defer server.Close()
	defer client.CloseIdleConnections()

	server.Add(itgluetest.Generate(2500)...)

	seen := 0

	for page, err := range client.OrganizationPages(context.Background()) {
		if err != nil {
			panic(err)
		}

		seen += len(page.Organizations)
		fmt.Printf("page %d: %d of %d\n", page.Number, seen, page.TotalCount)
	}

	fmt.Println("requests:", server.CallCount())

	// Output:
	// page 1: 1000 of 2500
	// page 2: 2000 of 2500
	// page 3: 2500 of 2500
	// requests: 3
}

func ExampleClient_Organization() {
	server, client := startExample()
	defer server.Close()
	defer client.CloseIdleConnections()

	id := server.Add(itgluetest.Organization{Name: "Happy Frog", TypeName: "Customer"})[0]

	organization, err := client.Organization(context.Background(), id)
	if err != nil {
		panic(err)
	}

	fmt.Println(organization.Name, "/", organization.TypeName)

	server.Delete(id)

	_, err = client.Organization(context.Background(), id)
	fmt.Println("gone:", itglue.IsNotFound(err))

	// Output:
	// Happy Frog / Customer
	// gone: true
}

func ExampleClient_OrganizationsByID() {
	server, client := startExample()
	defer server.Close()
	defer client.CloseIdleConnections()

	ids := server.Add(
		itgluetest.Organization{Name: "Happy Frog"}, itgluetest.Organization{Name: "Contoso"}, itgluetest.Organization{Name: "Fabrikam"},
	)
	server.Delete(ids[1])

	organizations, err := client.OrganizationsByID(context.Background(), []string{ids[2], ids[1], ids[0]})
	if err != nil {
		panic(err)
	}

	for _, organization := range organizations {
		fmt.Println(organization.Name)
	}

	fmt.Println("requests:", server.CallCount())

	// Output:
	// Fabrikam
	// Happy Frog
	// requests: 1
}

func ExampleError() {
	server, client := startExample()
	defer server.Close()
	defer client.CloseIdleConnections()

	server.Inject(itgluetest.RateLimited("120"))

	_, err := client.CountOrganizations(context.Background())

	var failure *itglue.Error
	if errors.As(err, &failure) && failure.Kind == itglue.KindRateLimited {
		fmt.Println("try again after", failure.RetryAfter)
	}

	// Output:
	// try again after 2m0s
}

func ExampleKindOf() {
	server, client := startExample()
	defer server.Close()
	defer client.CloseIdleConnections()

	server.RevokeKey("ITG.example")

	_, err := client.CountOrganizations(context.Background())
	fmt.Println(itglue.KindOf(err))
	fmt.Println(err)

	// Output:
	// rejected-key
	// itglue: count organizations: rejected-key (HTTP 403): Forbidden
}
