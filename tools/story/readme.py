"""The story's README."""

from __future__ import annotations

from tools.story.company import HOSTS
from tools.story.recorder import Written

_TEXT = """# The bundled story

Three working days, Tuesday 13 to Thursday 15 October 2026, at **Marlund Systems GmbH**, a maker of ship
sensors in Hamburg and Rotterdam: 60 people, {hosts} machines, a Windows domain, Entra ID and Office 365, two
AWS accounts, a public web site. Everything here is invented: the company, its people, its partners and its
attackers. Outsiders have addresses from the documentation ranges (192.0.2.0/24, 198.51.100.0/24,
203.0.113.0/24) and names under `.example`; well-known services have their real names. All times are UTC;
Hamburg is two hours ahead.

`tools/story` writes this folder (`python -m tools.story`; `--check` compares). Do not edit it by hand.

## The three days

**Tuesday.** A look-alike mail about salaries goes to three people in finance; one signs in through it, and
soon his session is used from abroad. The new VPN client is rolled out to 50 machines at noon. In the
afternoon somebody tries the careers portal of the web site. In the evening the authorised scanner goes over
all servers, a leaving salesman begins to download, and at night a forgotten AWS key is tried.

**Wednesday.** At night the careers portal takes a PHP file for a CV, and the key makes itself an
administrator. In the morning a rule hides mail about invoices, a customer is told of a new bank account, and
a buyer opens a document. The same day a red team, announced, works from its own laptop on two machines. In
the evening a maintenance night begins on three servers; two others lose their snapshots and backups, and that
was not planned. A colleague works from a fair in Singapore.

**Thursday.** The key reads all secrets, shares a disk and stops the trail. One password is tried against
everybody; one account falls. The salesman mails and uploads what he has. A new administrator starts. The
scanner repeats the web servers.

## The files

| folder | what |
|---|---|
| `records/endpoint` | winlogbeat 8 (Security, System, Sysmon; `message` dropped by the shipper), Wazuh alerts, syslog |
| `records/network` | Zeek (JSON, one file a log type), Suricata EVE |
| `records/identity` | domain controllers by winlogbeat, Entra sign-ins (Azure Monitor) |
| `records/cloud` | CloudTrail, Office 365 unified audit |
| `records/email` | journal as mbox, reported messages as .eml |
| `records/threat_intelligence` | Zeek intel.log: what the sensor's list met |
| `context/` | company, assets, identities, announced windows: what Marlund knows of itself |
| `intel/` | indicators as CSV and as a STIX 2.1 bundle: some of the attackers', many others, one stale |
| `truth.yaml` | which records belong to which attack or hard benign story; read only by the summary |

{records} records in {files} files.

| records | file |
|---:|---|
{table}
"""


def readme_file(written: list[Written]) -> bytes:
    """README.md with its table of files."""
    table = "\n".join(f"| {one.records} | `records/{one.path}` |" for one in written)
    text = _TEXT.format(hosts=len(HOSTS), records=sum(one.records for one in written), files=len(written), table=table)
    return text.encode()
