/**
 * Doubles of the services on loopback. Each answers as the service's API is documented: with whole objects, which have far
 * more fields than a sensor reads, and with its own way of paging and of refusing.
 */
import { at, type Outcome, Place, SECRET, serve } from "./harness.ts";

/** Content of the service in one scenario, and the request. */
export interface World {
  count: number;
  title(n: number): string;
  /** Path and query below the base URL. */
  url: URL;
  /** Body of a POST. */
  body: string;
  request: Request;
}

/** One HTTP service and the sensor that watches it. */
export interface Service {
  sensor: string;
  env(base: string): Record<string, string>;
  answer(world: World): Response;
  unauthorized(): Response;
  limited(): Response;
  /** Text on stderr about the end of the rate limit. */
  resets: RegExp;
  /** Largest page, most things that are read, and whether the total is known; absent if the service does not page. */
  paging?: { size: number; most: number; total: boolean };
  /** Whether a request has the token in the right header. */
  authorized(request: Request): boolean;
}

const json = (value: unknown, headers: Record<string, string> = {}, status = 200) =>
  Response.json(value, { status, headers });
const bearer = (request: Request) => request.headers.get("authorization") === `Bearer ${SECRET}`;
const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i + 1);
const RESET = Math.floor(Date.UTC(2031, 4, 6, 7, 8, 9) / 1000);
const RESET_TEXT = /resets at 2031-05-06T07:08:09Z/;
const SOON = /resets at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/;

/** Numbers of the things on the requested page, and a Link header as GitHub and others send it. */
function linkPage({ url, count }: World, sizeName = "per_page") {
  const size = Number(url.searchParams.get(sizeName) ?? 30);
  const page = Number(url.searchParams.get("page") ?? 1);
  const link = (n: number, rel: string) => {
    const other = new URL(url);
    other.searchParams.set("page", String(n));
    return `<${other}>; rel="${rel}"`;
  };
  const last = Math.ceil(count / size);
  const links = [
    ...(page > 1 ? [link(page - 1, "prev"), link(1, "first")] : []),
    ...(page < last ? [link(page + 1, "next"), link(last, "last")] : []),
  ];
  return {
    numbers: range((page - 1) * size, Math.min(page * size, count)),
    headers: links.length > 0 ? { link: links.join(", ") } : {} as Record<string, string>,
  };
}

const githubUser = (login: string) => ({
  login,
  id: 583231,
  node_id: "MDQ6VXNlcjU4MzIzMQ==",
  avatar_url: "https://avatars.example/u/583231?v=4",
  gravatar_id: "",
  url: `https://api.example/users/${login}`,
  html_url: `https://git.example/${login}`,
  type: "User",
  user_view_type: "public",
  site_admin: false,
});
const githubLabel = (name: string) => ({
  id: 208045946,
  node_id: "MDU6TGFiZWwyMDgwNDU5NDY=",
  url: `https://api.example/repos/octo/hello/labels/${name}`,
  name,
  description: "Something isn't working",
  color: "f29513",
  default: true,
});
const githubIssue = (n: number, title: string) => ({
  url: `https://api.example/repos/octo/hello/issues/${n}`,
  repository_url: "https://api.example/repos/octo/hello",
  labels_url: `https://api.example/repos/octo/hello/issues/${n}/labels{/name}`,
  comments_url: `https://api.example/repos/octo/hello/issues/${n}/comments`,
  events_url: `https://api.example/repos/octo/hello/issues/${n}/events`,
  html_url: `https://git.example/octo/hello/issues/${n}`,
  id: 35802 + n,
  node_id: "MDU6SXNzdWUzNTgwMg==",
  number: n,
  title,
  user: githubUser("octocat"),
  labels: [githubLabel("bug"), githubLabel(title)],
  state: "open",
  locked: false,
  assignee: null,
  assignees: [githubUser("hubot")],
  milestone: null,
  comments: 15,
  created_at: at(n),
  updated_at: at(n + 1),
  closed_at: null,
  author_association: "COLLABORATOR",
  body: "…".repeat(50),
  closed_by: null,
  reactions: { url: "https://api.example/reactions", total_count: 0, "+1": 0, "-1": 0, laugh: 0, heart: 0 },
  timeline_url: `https://api.example/repos/octo/hello/issues/${n}/timeline`,
  performed_via_github_app: null,
  state_reason: null,
  score: 1,
});
const githubPullRequest = (n: number, title: string) => ({
  ...githubIssue(n, title),
  draft: false,
  pull_request: {
    url: `https://api.example/repos/octo/hello/pulls/${n}`,
    html_url: `https://git.example/octo/hello/pull/${n}`,
    diff_url: `https://git.example/octo/hello/pull/${n}.diff`,
    patch_url: `https://git.example/octo/hello/pull/${n}.patch`,
    merged_at: null,
  },
});
const githubRun = (n: number, title: string, status: string, conclusion: string | null) => ({
  id: 30433642000 + n,
  name: `Build ${n}`,
  node_id: "MDEyOldvcmtmbG93IFJ1bjI2OTI4OQ==",
  head_branch: "main",
  head_sha: "acb5820ced9479c074f688cc328bf03f341a511d",
  path: ".github/workflows/build.yml@main",
  display_title: title,
  run_number: 562 + n,
  event: "push",
  status,
  conclusion,
  workflow_id: 159038 + n,
  check_suite_id: 42,
  url: `https://api.example/repos/octo/hello/actions/runs/${30433642000 + n}`,
  html_url: `https://git.example/octo/hello/actions/runs/${30433642000 + n}`,
  pull_requests: [],
  created_at: at(n),
  updated_at: at(n + 3),
  actor: githubUser("octocat"),
  run_attempt: 1,
  run_started_at: at(n),
  triggering_actor: githubUser("octocat"),
  jobs_url: `https://api.example/repos/octo/hello/actions/runs/${30433642000 + n}/jobs`,
  head_commit: { id: "acb5820ced", tree_id: "d23f6eedb1", message: "Create linter.yml", timestamp: at(n) },
  repository: {
    id: 1296269,
    name: "hello",
    full_name: "octo/hello",
    owner: githubUser("octo"),
    private: false,
  },
});

const github = {
  env: (base: string) => ({ GH_TOKEN: SECRET, GITHUB_API_URL: base, REPO: "octo/hello" }),
  authorized: bearer,
  unauthorized: () =>
    json(
      { message: "Bad credentials", documentation_url: "https://docs.github.com/rest", status: "401" },
      {},
      401,
    ),
  limited: () =>
    json(
      {
        message:
          "API rate limit exceeded for user ID 583231. If you reach out to support, include the request ID.",
        documentation_url: "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api",
        status: "403",
      },
      {
        "x-ratelimit-limit": "5000",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-used": "5001",
        "x-ratelimit-reset": String(RESET),
        "x-ratelimit-resource": "core",
      },
      403,
    ),
  resets: RESET_TEXT,
};

const githubPrs: Service = {
  ...github,
  sensor: "github-prs",
  paging: { size: 100, most: 500, total: true },
  answer(world) {
    const { numbers, headers } = linkPage(world);
    const items = numbers.map((n) => githubPullRequest(n, world.title(n)));
    return json({ total_count: world.count, incomplete_results: false, items }, headers);
  },
};

const githubMyPrs: Service = {
  ...github,
  sensor: "github-my-prs",
  paging: { size: 50, most: 250, total: true },
  answer({ body, count, title }) {
    const { variables } = JSON.parse(body) as {
      query: string;
      variables: { q: string; after: string | null };
    };
    const from = Number(variables.after ?? 0);
    const nodes = range(from, Math.min(from + 50, count)).map((n) => ({
      number: n,
      title: title(n),
      url: `https://git.example/octo/hello/pull/${n}`,
      isDraft: n % 5 === 0,
      mergeable: ["MERGEABLE", "CONFLICTING", "UNKNOWN"][n % 3],
      reviewDecision: [null, "APPROVED", "CHANGES_REQUESTED", "REVIEW_REQUIRED"][n % 4],
      baseRefName: "main",
      headRefName: `topic-${n}`,
      updatedAt: at(n),
      repository: { nameWithOwner: "octo/hello" },
      commits: {
        nodes: [{
          commit: {
            oid: "acb5820ced9479c074f688cc328bf03f341a511d",
            statusCheckRollup: n % 3 === 0 ? null : { state: n % 3 === 1 ? "SUCCESS" : "FAILURE" },
          },
        }],
      },
    }));
    const next = from + nodes.length;
    const pageInfo = { hasNextPage: next < count, endCursor: nodes.length > 0 ? String(next) : null };
    return json({ data: { search: { issueCount: count, pageInfo, nodes } } });
  },
  limited: () =>
    json(
      { errors: [{ type: "RATE_LIMITED", message: "API rate limit exceeded for user ID 583231." }] },
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(RESET), "x-ratelimit-resource": "graphql" },
    ),
};

const githubIssues: Service = {
  ...github,
  sensor: "github-issues",
  env: (base) => ({ ...github.env(base), LABELS: "bug,needs triage", ASSIGNEE: "hubot" }),
  paging: { size: 100, most: 500, total: false },
  answer(world) {
    const { numbers, headers } = linkPage(world);
    return json(numbers.map((n) => githubIssue(n, world.title(n))), headers);
  },
};

const githubNotifications: Service = {
  ...github,
  sensor: "github-notifications",
  paging: { size: 50, most: 250, total: false },
  answer(world) {
    const { numbers, headers } = linkPage(world);
    return json(
      numbers.map((n) => ({
        id: String(7000000 + n),
        repository: {
          id: 1296269,
          node_id: "MDEwOlJlcG9zaXRvcnkxMjk2MjY5",
          name: "hello",
          full_name: "octo/hello",
          owner: githubUser("octo"),
          private: false,
          html_url: "https://git.example/octo/hello",
          description: "This your first repo!",
          fork: false,
        },
        subject: {
          title: world.title(n),
          url: `https://api.example/repos/octo/hello/issues/${n}`,
          latest_comment_url: `https://api.example/repos/octo/hello/issues/comments/${n}`,
          type: "Issue",
        },
        reason: "mention",
        unread: true,
        updated_at: at(n),
        last_read_at: at(n - 1),
        url: `https://api.example/notifications/threads/${n}`,
        subscription_url: `https://api.example/notifications/threads/${n}/subscription`,
      })),
      { ...headers, "x-poll-interval": "60" },
    );
  },
};

const githubRuns: Service = {
  ...github,
  sensor: "github-runs",
  env: (base) => ({ ...github.env(base), BRANCH: "main" }),
  answer(world) {
    const { numbers, headers } = linkPage(world);
    const conclusion = (n: number) => n % 4 === 0 ? "failure" : "success";
    const workflow_runs = numbers.map((n) => githubRun(n, world.title(n), "completed", conclusion(n)));
    return json({ total_count: world.count, workflow_runs }, headers);
  },
};

const githubQueue: Service = {
  ...github,
  sensor: "github-queue",
  answer({ url, count, title }) {
    const run = /runs\/(\d+)\/jobs$/.exec(url.pathname)?.[1];
    if (run === undefined) {
      const status = url.searchParams.get("status") ?? "";
      const total = status === "queued" ? Math.min(count, 3) : 0;
      const workflow_runs = range(0, total).map((n) => githubRun(n, title(n), status, null));
      return json({ total_count: total, workflow_runs });
    }
    const jobs = range(0, Math.min(count, 100)).map((n) => ({
      id: Number(run) * 1000 + n,
      run_id: Number(run),
      workflow_name: "CI",
      head_branch: "main",
      run_url: `https://api.example/repos/octo/hello/actions/runs/${run}`,
      run_attempt: 1,
      node_id: "MDg6Q2hlY2tSdW4zOTk0NDQ0OTY=",
      head_sha: "acb5820ced9479c074f688cc328bf03f341a511d",
      url: `https://api.example/repos/octo/hello/actions/jobs/${n}`,
      html_url: `https://git.example/octo/hello/runs/${run}/jobs/${n}`,
      status: n % 4 === 0 ? "in_progress" : "queued",
      conclusion: null,
      created_at: at(n),
      started_at: at(n),
      completed_at: null,
      name: title(n),
      steps: [],
      check_run_url: `https://api.example/repos/octo/hello/check-runs/${n}`,
      labels: ["self-hosted", "linux"],
      runner_id: null,
      runner_name: null,
      runner_group_id: null,
      runner_group_name: null,
    }));
    return json({ total_count: count, jobs });
  },
};

const buildkite: Service = {
  sensor: "buildkite-queue",
  env: (base) => ({ BUILDKITE_API_URL: base, BUILDKITE_API_TOKEN: SECRET, BUILDKITE_ORG: "my-great-org" }),
  authorized: bearer,
  paging: { size: 100, most: 300, total: false },
  answer(world) {
    const { numbers, headers } = linkPage(world);
    return json(
      numbers.map((n) => ({
        id: `f62a1b4d-10f9-4790-bc1c-${String(n).padStart(12, "0")}`,
        graphql_id: "QnVpbGQtLS1mYmQ2Zjk3OS0yOTRhLTQ3ZjItOTU0Ni1lNTk0M2VlMTAwNzE=",
        url: `https://api.example/v2/organizations/my-great-org/pipelines/my-pipeline/builds/${n}`,
        web_url: `https://ci.example/my-great-org/my-pipeline/builds/${n}`,
        number: n,
        state: "scheduled",
        cancel_reason: null,
        blocked: false,
        message: world.title(n),
        commit: "abcd0b72a1e580e90712cdd9eb26d3fb41cd09c8",
        branch: "main",
        env: {},
        source: "webhook",
        creator: { id: "3d3c3bf0-7d58-4afe-8fe7-b3017d5504de", name: "Sample Person", created_at: at(0) },
        jobs: [
          { id: `waiter-${n}`, type: "waiter", state: "waiting" },
          {
            id: `b63254c0-3271-4a98-8270-${String(n).padStart(12, "0")}`,
            graphql_id: "Sm9iLS0tMTQ4YWQ0MzgtM2E2My00YWIxLWIzMjItNzIxM2Y3YzJhMWFi",
            type: "script",
            name: world.title(n),
            step_key: "rspec",
            priority: { number: 0 },
            agent_query_rules: ["queue=default", "os=linux"],
            state: "scheduled",
            build_url: `https://api.example/v2/organizations/my-great-org/pipelines/my-pipeline/builds/${n}`,
            web_url: `https://ci.example/my-great-org/my-pipeline/builds/${n}#job`,
            command: "scripts/build.sh",
            soft_failed: false,
            exit_status: null,
            artifact_paths: "",
            agent: null,
            created_at: at(n),
            scheduled_at: at(n),
            runnable_at: n % 2 === 0 ? null : at(n),
            started_at: null,
            finished_at: null,
            retried: false,
            parallel_group_index: null,
            cluster_id: null,
          },
        ],
        created_at: at(n),
        scheduled_at: at(n),
        started_at: null,
        finished_at: null,
        meta_data: {},
        pull_request: {},
        rebuilt_from: null,
        pipeline: {
          id: "849411f9",
          name: "My Pipeline",
          slug: "my-pipeline",
          repository: "git@git.example:o/r",
        },
      })),
      headers,
    );
  },
  unauthorized: () =>
    json({ message: "Authentication required. Please supply a valid API Access Token" }, {}, 401),
  limited: () =>
    json(
      {
        scope: "rest",
        limit: 200,
        current: 200,
        reset: 42,
        message: "You have exceeded your REST API rate limit.",
      },
      { "RateLimit-Remaining": "0", "RateLimit-Limit": "200", "RateLimit-Reset": "42" },
      429,
    ),
  resets: SOON,
};

const gitlabUser = (username: string) => ({
  id: 1,
  username,
  name: "Administrator",
  state: "active",
  locked: false,
  avatar_url: null,
  web_url: `https://gitlab.example/${username}`,
});
const gitlab: Service = {
  sensor: "gitlab-mrs",
  env: (base) => ({ GITLAB_URL: base, GITLAB_TOKEN: SECRET }),
  authorized: (request) => request.headers.get("private-token") === SECRET,
  paging: { size: 100, most: 500, total: true },
  answer(world) {
    const { url, count, title } = world;
    if (url.pathname.endsWith("/user")) return json({ ...gitlabUser("admin"), email: "admin@example.com" });
    if (url.searchParams.get("reviewer_username") !== "admin") {
      return json({ error: "scope is invalid" }, {}, 400);
    }
    const { numbers } = linkPage(world);
    const page = Number(url.searchParams.get("page"));
    const last = Math.ceil(count / 100);
    return json(
      numbers.map((n) => ({
        id: 1000 + n,
        iid: n,
        project_id: 3,
        title: title(n),
        description: "fixed login page css paddings",
        state: "opened",
        created_at: at(n),
        updated_at: at(n),
        target_branch: "main",
        source_branch: `topic-${n}`,
        upvotes: 0,
        downvotes: 0,
        author: gitlabUser("root"),
        assignees: [gitlabUser("axel.block")],
        reviewers: [gitlabUser("admin")],
        source_project_id: 2,
        target_project_id: 3,
        labels: ["Community contribution", title(n)],
        draft: n % 5 === 0,
        imported: false,
        work_in_progress: n % 5 === 0,
        milestone: null,
        merge_when_pipeline_succeeds: false,
        merge_status: "can_be_merged",
        detailed_merge_status: "not_approved",
        sha: "8888888888888888888888888888888888888888",
        merge_commit_sha: null,
        squash_commit_sha: null,
        user_notes_count: 1,
        discussion_locked: null,
        web_url: `https://gitlab.example/my-group/my-project/merge_requests/${n}`,
        references: {
          short: `!${n}`,
          relative: `my-group/my-project!${n}`,
          full: `my-group/my-project!${n}`,
        },
        time_stats: { time_estimate: 0, total_time_spent: 0, human_time_estimate: null },
        has_conflicts: false,
        blocking_discussions_resolved: true,
        task_completion_status: { count: 0, completed_count: 0 },
      })),
      {
        "x-page": String(page),
        "x-per-page": "100",
        "x-next-page": page < last ? String(page + 1) : "",
        "x-prev-page": "",
        "x-total": String(count),
        "x-total-pages": String(last),
      },
    );
  },
  unauthorized: () => json({ message: "401 Unauthorized" }, {}, 401),
  limited: () =>
    new Response("Retry later\n", {
      status: 429,
      headers: { "RateLimit-Reset": String(RESET), "Content-Type": "text/plain" },
    }),
  resets: RESET_TEXT,
};

const linear: Service = {
  sensor: "linear-issues",
  env: (base) => ({ LINEAR_API_URL: `${base}/graphql`, LINEAR_API_KEY: SECRET }),
  authorized: (request) => request.headers.get("authorization") === SECRET,
  paging: { size: 100, most: 500, total: false },
  answer({ body, count, title }) {
    const { variables } = JSON.parse(body) as { variables: { after: string | null } };
    const from = Number(variables.after?.slice(1) ?? 0);
    const nodes = range(from, Math.min(from + 100, count)).map((n) => ({
      identifier: `ENG-${n}`,
      title: title(n),
      url: `https://linear.example/acme/issue/ENG-${n}`,
      priority: n % 5,
      priorityLabel: ["No priority", "Urgent", "High", "Medium", "Low"][n % 5],
      dueDate: n % 2 === 0 ? null : "2026-02-01",
      createdAt: at(n),
      updatedAt: at(n),
      state: { name: "In Progress", type: "started" },
      team: { key: "ENG" },
      assignee: { displayName: "sam" },
      labels: { nodes: [{ name: "Bug" }, { name: title(n) }] },
    }));
    const next = from + nodes.length;
    const pageInfo = { hasNextPage: next < count, endCursor: nodes.length > 0 ? `c${next}` : null };
    return json({ data: { issues: { pageInfo, nodes } } });
  },
  unauthorized: () =>
    json(
      {
        errors: [{
          message: "Authentication required, not authenticated",
          extensions: {
            type: "authentication error",
            code: "AUTHENTICATION_ERROR",
            statusCode: 401,
            userError: true,
            userPresentableMessage: "You need to authenticate to access this operation.",
          },
        }],
      },
      {},
      401,
    ),
  limited: () =>
    json(
      {
        errors: [{
          message: "Rate limit exceeded",
          extensions: { type: "Ratelimited", code: "RATELIMITED", statusCode: 429 },
        }],
      },
      {
        "X-RateLimit-Requests-Limit": "2500",
        "X-RateLimit-Requests-Remaining": "0",
        "X-RateLimit-Requests-Reset": `${RESET}000`,
      },
      400,
    ),
  resets: RESET_TEXT,
};

const jira: Service = {
  sensor: "jira-issues",
  env: (base) => ({ JIRA_URL: base, JIRA_EMAIL: "sam@example.com", JIRA_API_TOKEN: SECRET }),
  authorized: (request) =>
    request.headers.get("authorization") === `Basic ${btoa(`sam@example.com:${SECRET}`)}`,
  paging: { size: 100, most: 500, total: false },
  answer({ url, count, title }) {
    if (url.pathname.endsWith("/myself")) {
      return json({
        accountId: "5b10a2844c20165700ede21g",
        displayName: "Sam Sample",
        active: true,
        timeZone: "Etc/UTC",
      });
    }
    const from = Number(url.searchParams.get("nextPageToken")?.replace("Token+/=", "") ?? 0);
    const issues = range(from, Math.min(from + 100, count)).map((n) => ({
      expand: "operations,versionedRepresentations,editmeta,changelog,renderedFields",
      id: String(10000 + n),
      self: `https://acme.example/rest/api/3/issue/${10000 + n}`,
      key: `ACME-${n}`,
      fields: {
        summary: title(n),
        status: {
          self: "https://acme.example/rest/api/3/status/3",
          description: "",
          name: "In Progress",
          id: "3",
          statusCategory: { id: 4, key: "indeterminate", colorName: "yellow", name: "In Progress" },
        },
        priority: n % 3 === 0
          ? null
          : { self: "https://acme.example/rest/api/3/priority/3", name: "Medium", id: "3" },
        assignee: { accountId: "5b10a2844c20165700ede21g", displayName: "Sam Sample", active: true },
        issuetype: { id: "10001", name: "Task", subtask: false, hierarchyLevel: 0 },
        duedate: null,
        created: "2026-01-05T10:00:00.000+0100",
        updated: "2026-01-05T10:00:00.000+0100",
      },
    }));
    const next = from + issues.length;
    return json(
      next < count ? { issues, nextPageToken: `Token+/=${next}`, isLast: false } : { issues, isLast: true },
    );
  },
  unauthorized: () =>
    json({ errorMessages: ["Client must be authenticated to access this resource."], errors: {} }, {
      "x-seraph-loginreason": "AUTHENTICATED_FAILED",
    }, 401),
  limited: () =>
    json({ errorMessages: ["Rate limit exceeded."] }, {
      "Retry-After": "37",
      "X-RateLimit-Reset": "2031-05-06T07:08Z",
    }, 429),
  resets: SOON,
};

const gettableAlert = (n: number, title: string) => ({
  annotations: {
    summary: title,
    description: title,
    runbook_url: "https://runbooks.example/disk",
    __value_string__: "[ var='A' value=1 ]",
  },
  endsAt: "2099-01-05T00:00:00.000Z",
  fingerprint: `3f0c${n.toString(16).padStart(12, "0")}`,
  receivers: [{ name: "on-call" }],
  startsAt: at(n),
  status: { inhibitedBy: [], mutedBy: [], silencedBy: [], state: n % 10 === 9 ? "suppressed" : "active" },
  updatedAt: at(n),
  generatorURL: `https://grafana.example/alerting/grafana/abc${n}/view`,
  labels: {
    alertname: `DiskFull${n}`,
    grafana_folder: "Ops",
    instance: `db-${n}:9100`,
    severity: ["critical", "warning", "info"][n % 3],
    note: title,
    __alert_rule_uid__: "abc",
  },
});
const ingress = (status: number) =>
  new Response(
    `<html>\r\n<head><title>${status} Refused</title></head><body><hr><center>nginx</center></body></html>`,
    {
      status,
      headers: { "Content-Type": "text/html", "WWW-Authenticate": "Bearer" },
    },
  );
const alerts = (world: World) => json(range(0, world.count).map((n) => gettableAlert(n, world.title(n))));

const alertmanager: Service = {
  sensor: "alertmanager",
  env: (base) => ({
    ALERTMANAGER_URL: `${base}/`,
    ALERTMANAGER_TOKEN: SECRET,
    ALERTMANAGER_FILTER: 'team="ops"',
  }),
  authorized: bearer,
  answer: alerts,
  unauthorized: () => ingress(401),
  limited: () =>
    new Response("Too Many Requests", {
      status: 429,
      headers: { "Retry-After": "Tue, 06 May 2031 07:08:09 GMT" },
    }),
  resets: /resets at Tue, 06 May 2031 07:08:09 GMT/,
};

const grafana: Service = {
  sensor: "grafana-alerts",
  env: (base) => ({ GRAFANA_URL: base, GRAFANA_TOKEN: SECRET }),
  authorized: bearer,
  answer: alerts,
  unauthorized: () =>
    json({ message: "Invalid API key", messageId: "api-key.invalid", statusCode: 401, traceID: "" }, {}, 401),
  limited: () => json({ message: "Too many requests", statusCode: 429 }, { "Retry-After": "60" }, 429),
  resets: SOON,
};

const prometheus: Service = {
  sensor: "prometheus-query",
  env: (base) => ({
    PROMETHEUS_URL: base,
    PROMETHEUS_TOKEN: SECRET,
    PROMETHEUS_QUERY: 'up{job="a b"} == 0',
    THRESHOLD: "-1",
  }),
  authorized: bearer,
  answer: ({ count, title }) =>
    json({
      status: "success",
      data: {
        resultType: "vector",
        result: range(0, count).map((n) => ({
          metric: { __name__: "up", instance: `db-${n}:9100`, job: "node", note: title(n) },
          value: [Date.now() / 1000, n % 7 === 6 ? "+Inf" : String(n * 1.5)],
        })),
      },
    }),
  unauthorized: () => ingress(401),
  limited: () => new Response("too many requests", { status: 429, headers: { "Retry-After": "5" } }),
  resets: SOON,
};

const sentry: Service = {
  sensor: "sentry-issues",
  env: (base) => ({ SENTRY_URL: base, SENTRY_AUTH_TOKEN: SECRET, SENTRY_ORG: "acme" }),
  authorized: bearer,
  paging: { size: 100, most: 500, total: false },
  answer({ url, count, title }) {
    const from = Number(url.searchParams.get("cursor")?.split(":")[1] ?? 0);
    const numbers = range(from, Math.min(from + 100, count));
    const link = (cursor: string, rel: string, results: boolean) =>
      `<${url}&cursor=${cursor}>; rel="${rel}"; results="${results}"; cursor="${cursor}"`;
    const next = from + numbers.length;
    return json(
      numbers.map((n) => ({
        id: String(4505000000 + n),
        shareId: null,
        shortId: `PUMP-STATION-${n}`,
        title: title(n),
        culprit: "raven.scripts.runner in main",
        permalink: `https://sentry.example/organizations/acme/issues/${n}/`,
        logger: null,
        level: "error",
        status: "unresolved",
        statusDetails: {},
        substatus: "new",
        isPublic: false,
        platform: "python",
        project: { id: "1", name: "Pump Station", slug: "pump-station", platform: "python" },
        type: "error",
        metadata: { title: title(n) },
        numComments: 0,
        assignedTo: null,
        isBookmarked: false,
        isSubscribed: true,
        hasSeen: false,
        annotations: [],
        count: "150",
        userCount: 12,
        firstSeen: at(n),
        lastSeen: new Date().toISOString(),
        stats: { "24h": [[1541455200, 473], [1541458800, 914]] },
      })),
      {
        link: `${link(`0:${Math.max(0, from - 100)}:1`, "previous", from > 0)}, ${
          link(`0:${next}:0`, "next", next < count)
        }`,
      },
    );
  },
  unauthorized: () => json({ detail: "Invalid token" }, {}, 401),
  limited: () =>
    json({
      detail: "You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds",
    }, {
      "X-Sentry-Rate-Limit-Limit": "40",
      "X-Sentry-Rate-Limit-Remaining": "0",
      "X-Sentry-Rate-Limit-Reset": String(RESET),
    }, 429),
  resets: RESET_TEXT,
};

const reference = (type: string, id: string, summary: string) => ({
  id,
  type: `${type}_reference`,
  summary,
  self: `https://api.example/${type}s/${id}`,
  html_url: `https://acme.example/${type}s/${id}`,
});
const pagerduty: Service = {
  sensor: "pagerduty-incidents",
  env: (base) => ({ PAGERDUTY_URL: base, PAGERDUTY_TOKEN: SECRET }),
  authorized: (request) => request.headers.get("authorization") === `Token token=${SECRET}`,
  paging: { size: 100, most: 500, total: false },
  answer({ url, count, title }) {
    const offset = Number(url.searchParams.get("offset"));
    const incidents = range(offset, Math.min(offset + 100, count)).map((n) => ({
      ...reference("incident", `PT4K${n}`, `[#${n}] ${title(n)}`),
      type: "incident",
      incident_number: n,
      title: title(n),
      created_at: at(n),
      updated_at: new Date().toISOString(),
      status: n % 2 === 0 ? "acknowledged" : "triggered",
      incident_key: "baf7cf21b1da41b4b0221008339ff357",
      service: reference("service", "PF9KMXH", "My Mail Service"),
      assignments: [{ at: at(n), assignee: reference("user", "PTUXL6G", "Sam Sample") }],
      assigned_via: "escalation_policy",
      last_status_change_at: at(n),
      first_trigger_log_entry: reference("trigger_log_entry", "Q02JTSNZWHSEKV", "Triggered through the API"),
      alert_counts: { all: 2, triggered: 1, resolved: 1 },
      is_mergeable: true,
      escalation_policy: reference("escalation_policy", "PT20YPA", "Another Escalation Policy"),
      teams: [],
      pending_actions: [],
      acknowledgements: [],
      urgency: n % 3 === 0 ? "low" : "high",
      priority: n % 4 === 0 ? null : reference("priority", "P53ZZH5", "P2"),
    }));
    return json({ incidents, limit: 100, offset, total: null, more: offset + incidents.length < count });
  },
  unauthorized: () => json({ error: { code: 2006, message: "Authentication failed" } }, {}, 401),
  limited: () =>
    json({ error: { message: "Rate Limit Exceeded", code: 2020 } }, {
      "ratelimit-limit": "960",
      "ratelimit-remaining": "0",
      "ratelimit-reset": "23",
    }, 429),
  resets: SOON,
};

const slack: Service = {
  sensor: "slack-unread",
  env: (base) => ({ SLACK_URL: base, SLACK_TOKEN: SECRET }),
  authorized: bearer,
  paging: { size: 100, most: 200, total: false },
  answer({ url, count, title }) {
    const method = url.pathname.split("/").at(-1);
    if (method === "auth.test") {
      return json({
        ok: true,
        url: "https://acme.slack.example/",
        team: "Acme",
        user: "sam",
        team_id: "T12345678",
        user_id: "U2U85N1RV",
      });
    }
    if (method === "conversations.info") {
      const id = url.searchParams.get("channel");
      return json({
        ok: true,
        channel: {
          id,
          name: "general",
          is_channel: true,
          is_member: true,
          last_read: "1500000000.000000",
          created: 1449252889,
          creator: "U1",
        },
      });
    }
    const page = Number(url.searchParams.get("page"));
    const pages = Math.ceil(count / 100);
    const matches = range((page - 1) * 100, Math.min(page * 100, count)).map((n) => ({
      channel: {
        id: `C${String(n % 5).padStart(8, "0")}`,
        name: "general",
        is_private: false,
        is_mpim: false,
        is_ext_shared: false,
        pending_shared: [],
      },
      iid: "cb64bdaa-c1e8-4631-8a91-0f78080113e9",
      permalink: `https://acme.slack.example/archives/C12345678/p1508284197${String(n).padStart(6, "0")}`,
      team: "T12345678",
      text: `<@U2U85N1RV> ${title(n)}`,
      ts: `1508284197.${String(n).padStart(6, "0")}`,
      type: "message",
      user: "U9",
      username: "roach",
    }));
    return json({
      ok: true,
      query: url.searchParams.get("query"),
      messages: {
        total: count,
        matches,
        pagination: {
          total_count: count,
          page,
          per_page: 100,
          page_count: pages,
          first: 1,
          last: matches.length,
        },
        paging: { count: 100, total: count, page, pages },
      },
    });
  },
  unauthorized: () => json({ ok: false, error: "token_expired" }),
  limited: () => json({ ok: false, error: "ratelimited" }, { "Retry-After": "30" }, 429),
  resets: SOON,
};

const xml = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
// deno-lint-ignore no-control-regex
const xmlText = (text: string) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");

const feed: Service = {
  sensor: "feed",
  env: (base) => ({ FEED_URL: `${base}/feed.xml?key=${SECRET}` }),
  authorized: (request) => request.url.includes(SECRET),
  answer: ({ count, title }) =>
    new Response(
      `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Example news</title><atom:link href="https://news.example/feed.xml" rel="self" type="application/rss+xml"/>
<link>https://news.example</link><description>News</description><lastBuildDate>${
        new Date().toUTCString()
      }</lastBuildDate>
<!-- <item><title>commented out</title></item> -->
${
        range(0, count).map((n) =>
          `<item><title>${
            n % 2 === 0 ? xml(xmlText(title(n))) : `<![CDATA[${xmlText(title(n)).replaceAll("]]>", "")}]]>`
          }</title>
<link>https://news.example/${n}</link><guid isPermaLink="false">news-${n}</guid><pubDate>${
            new Date(at(n)).toUTCString()
          }</pubDate>
<description>${
            xml(`<p>${xmlText(title(n))}</p>`)
          }</description><content:encoded><![CDATA[<p>long</p>]]></content:encoded></item>`
        ).join("\n")
      }
</channel></rss>
`,
      { headers: { "Content-Type": "application/rss+xml" } },
    ),
  unauthorized: () => ingress(401),
  limited: () => new Response("slow down", { status: 429, headers: { "Retry-After": "120" } }),
  resets: SOON,
};

/** The minute in which the tests began, Unix ms, so that a service always gives the same answer. */
const BEGUN_MS = Math.floor(Date.now() / 60_000) * 60_000;

/** The date this many minutes from now, in iCalendar's UTC form. */
export const inMinutes = (minutes: number): string =>
  new Date(BEGUN_MS + minutes * 60_000).toISOString().replace(
    /[-:]|\.\d+/g,
    "",
  );
/** Text escaped for iCalendar and folded at 70 characters. */
export const icsText = (name: string, text: string): string =>
  `${name}:${text.replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n").replace(/(.{60})/gu, "$1\r\n ")}\r\n`;

const calendar: Service = {
  sensor: "calendar",
  env: (base) => ({ CALENDAR_URL: `${base}/private-${SECRET}/basic.ics` }),
  authorized: (request) => request.url.includes(SECRET),
  answer: ({ count, title }) =>
    new Response(
      "BEGIN:VCALENDAR\r\nPRODID:-//Example//Calendar//EN\r\nVERSION:2.0\r\nCALSCALE:GREGORIAN\r\n" +
        range(0, count).map((n) =>
          `BEGIN:VEVENT\r\nDTSTART:${inMinutes(20)}\r\nDTEND:${
            inMinutes(50)
          }\r\nDTSTAMP:20260105T000000Z\r\nUID:event-${n}@example.com\r\n` +
          `CREATED:20260105T000000Z\r\nLAST-MODIFIED:20260105T000000Z\r\n${
            icsText("LOCATION", "Room 1, upstairs")
          }SEQUENCE:0\r\nSTATUS:CONFIRMED\r\n` +
          `${
            icsText("SUMMARY", xmlText(title(n)))
          }TRANSP:OPAQUE\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nSUMMARY:not this\r\nTRIGGER:-P0DT0H10M0S\r\nEND:VALARM\r\nEND:VEVENT\r\n`
        ).join("") + "END:VCALENDAR\r\n",
      { headers: { "Content-Type": "text/calendar; charset=UTF-8" } },
    ),
  unauthorized: () => ingress(401),
  limited: () => new Response("slow down", { status: 429, headers: { "Retry-After": "120" } }),
  resets: SOON,
};

/** The services of all HTTP examples. */
export const SERVICES: readonly Service[] = [
  githubPrs,
  githubMyPrs,
  githubIssues,
  githubNotifications,
  githubRuns,
  githubQueue,
  buildkite,
  gitlab,
  linear,
  jira,
  grafana,
  alertmanager,
  prometheus,
  sentry,
  pagerduty,
  slack,
  feed,
  calendar,
];

/** Runs a sensor against a server with this answer to each request. */
export async function against(
  sensor: string,
  answer: (url: URL, body: string) => Response,
  more: Record<string, string> = {},
): Promise<Outcome> {
  const { env } = SERVICES.find((service) => service.sensor === sensor)!;
  await using place = await Place.make();
  await using server = serve(async (request) => answer(new URL(request.url), await request.text()));
  return await place.run(sensor, { ...env(server.url), ...more });
}
