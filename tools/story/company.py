"""Marlund Systems, an invented maker of ship sensors: its people, its hosts, its networks. No clock, no randomness."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "Marlund Systems GmbH"
DOMAIN = "marlund.example"
AD_DOMAIN = "corp.marlund.example"
NETBIOS = "MARLUND"
DOMAIN_SID = "S-1-5-21-1184392017-2391840275-3320984417"
TENANT = "6f1c2a7e-93b4-4d0e-8a55-1c7e90b2d4f3"
TENANT_DOMAIN = "marlundexample.onmicrosoft.com"
AWS_PROD = "111122223333"
AWS_DEV = "444455556666"
REGION = "eu-central-1"
EGRESS_HAMBURG = "192.0.2.10"
EGRESS_ROTTERDAM = "192.0.2.11"
WEB_PUBLIC = "192.0.2.80"


@dataclass(frozen=True)
class Person:
    """One employee or account. `sam` is the Windows name, `admin` the separate administrative account, if any."""

    given: str
    family: str
    title: str
    department: str
    sam: str
    number: int
    admin: str = ""

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    @property
    def upn(self) -> str:
        return f"{self.sam}@{DOMAIN}"

    @property
    def sid(self) -> str:
        return f"{DOMAIN_SID}-{1100 + self.number}"

    @property
    def country(self) -> str:
        return "NL" if self.number % 5 == 0 else "DE"

    @property
    def egress(self) -> str:
        return EGRESS_ROTTERDAM if self.country == "NL" else EGRESS_HAMBURG


@dataclass(frozen=True)
class Host:
    """One machine. `role` is workstation, server, dc, linux or appliance."""

    name: str
    address: str
    os: str
    role: str
    purpose: str
    criticality: str
    owner: str
    number: int

    @property
    def fqdn(self) -> str:
        return f"{self.name.lower()}.{AD_DOMAIN}"

    @property
    def windows(self) -> bool:
        return self.role in ("workstation", "server", "dc")


_STAFF = """
Henrik Lund|Chief executive|Management
Ingrid Solberg|Chief financial officer|Finance
Nadia Okafor|Head of information security|IT
Jonas Keller|Infrastructure lead|IT|adm.jkeller
Rotterdam Pieter de Vries|System administrator|IT|adm.pdevries
Amira Haddad|System administrator|IT|adm.ahaddad
Felix Brandl|Service desk|IT
Tomas Reuter|Accounts payable clerk|Finance
Greta Mohr|Accountant|Finance
Willem Bakker|Controller|Finance
Petra Vogel|Purchasing agent|Purchasing
Stefan Kruse|Head of purchasing|Purchasing
Marco Santini|Key account manager|Sales
Sofia Lindqvist|Sales engineer|Sales
Anke Dreyer|Head of sales|Sales
Lukas Weiss|Sales engineer|Sales
Joao Pereira|Account manager|Sales
Claire Dubois|Account manager|Sales
Hugo Martens|Inside sales|Sales
Daan Visser|Inside sales|Sales
Elif Yilmaz|Marketing manager|Marketing
Moritz Falk|Content editor|Marketing
Ruth Stern|Head of human resources|Human resources
Katja Wolf|HR generalist|Human resources
Lena Brandt|Senior software engineer|Engineering
Oskar Nilsson|Software engineer|Engineering
Priya Raman|Software engineer|Engineering
Bram Jansen|Platform engineer|Engineering
Miriam Adler|Platform engineer|Engineering
Tobias Engel|Firmware engineer|Engineering
Yuki Tanaka|Firmware engineer|Engineering
Sander Smit|Test engineer|Engineering
Viktor Horvat|Test engineer|Engineering
Carla Neumann|Head of engineering|Engineering
Emil Sorensen|Hardware engineer|Engineering
Nora Pfeiffer|Hardware engineer|Engineering
Timo Lange|Mechanical engineer|Engineering
Fatima Benali|Data engineer|Engineering
Ruben Groot|Data engineer|Engineering
Hanna Koch|Technical writer|Engineering
Kai Berger|Warehouse clerk|Operations
Maren Schulte|Warehouse lead|Operations
Piotr Nowak|Logistics planner|Operations
Esra Demir|Logistics planner|Operations
Jeroen Mulder|Production planner|Operations
Ulrike Behn|Production lead|Operations
Dirk Ahlers|Production technician|Operations
Svenja Roth|Production technician|Operations
Marek Zelenka|Quality engineer|Operations
Iris van Dam|Quality engineer|Operations
Bjorn Hagen|Field service engineer|Service
Selma Krog|Field service engineer|Service
Leon Fuchs|Field service engineer|Service
Nina Paulsen|Service coordinator|Service
Thijs Peeters|Support engineer|Service
Alina Popescu|Support engineer|Service
Gerd Hinrichs|Legal counsel|Management
Birgit Hansen|Executive assistant|Management
Paula Ritter|Reception|Management
Mats Olsen|Works student|Engineering
"""


def _person(number: int, line: str) -> Person:
    name, title, department, *admin = line.split("|")
    words = name.removeprefix("Rotterdam ").split()
    given, family = words[0], " ".join(words[1:])
    sam = f"{given}.{family}".lower().replace(" ", "")
    return Person(given, family, title, department, sam, number, admin[0] if admin else "")


PEOPLE: tuple[Person, ...] = tuple(
    _person(number, line) for number, line in enumerate(_STAFF.strip().splitlines(), start=1)
)
BY_SAM = {person.sam: person for person in PEOPLE}


@dataclass(frozen=True)
class Account:
    """An account that is no person: administrative, of a service, of the red team, or of the machine itself."""

    sam: str
    number: int
    title: str
    owner: str
    privileged: bool = False
    service: bool = True

    @property
    def sid(self) -> str:
        return f"{DOMAIN_SID}-{1100 + self.number}"


ACCOUNTS: tuple[Account, ...] = (
    Account("adm.jkeller", 201, "Administrative account", "jonas.keller", True, False),
    Account("adm.pdevries", 202, "Administrative account", "pieter.devries", True, False),
    Account("adm.ahaddad", 203, "Administrative account", "amira.haddad", True, False),
    Account("svc-deploy", 210, "Software distribution", "amira.haddad", True),
    Account("svc-backup", 211, "Backup", "jonas.keller", True),
    Account("svc-erp", 212, "ERP integration", "jeroen.mulder"),
    Account("svc-sql", 213, "Database engine", "jonas.keller"),
    Account("svc-hrsync", 214, "HR document synchronisation", "ruth.stern"),
    Account("svc-scan", 215, "Vulnerability scanner", "nadia.okafor"),
    Account("rt.alpha", 220, "Red team, external", "nadia.okafor", False, False),
    Account("rt.bravo", 221, "Red team, external", "nadia.okafor", False, False),
)
BY_ACCOUNT = {account.sam: account for account in ACCOUNTS}

_SERVERS = """
DC01|10.20.2.11|Windows Server 2022|dc|Domain controller|critical|jonas.keller
DC02|10.30.2.11|Windows Server 2022|dc|Domain controller|critical|jonas.keller
FS01|10.20.2.21|Windows Server 2022|server|File server: finance, sales, engineering|critical|jonas.keller
FS02|10.20.2.22|Windows Server 2019|server|File server: archive|high|jonas.keller
SQL01|10.20.2.31|Windows Server 2022|server|ERP database|critical|jonas.keller
APP01|10.20.2.41|Windows Server 2022|server|ERP application|critical|jeroen.mulder
APP02|10.20.2.42|Windows Server 2019|server|Test application|medium|carla.neumann
BKP01|10.20.2.51|Windows Server 2022|server|Backup server|critical|jonas.keller
DEPLOY01|10.20.2.52|Windows Server 2022|server|Software distribution|high|amira.haddad
PRN01|10.20.2.53|Windows Server 2019|server|Print server|low|felix.brandl
ADC01|10.20.2.54|Windows Server 2022|server|Entra Connect|critical|jonas.keller
WSUS01|10.20.2.55|Windows Server 2022|server|Update server|high|amira.haddad
JUMP01|10.20.2.56|Windows Server 2022|server|Administrators' jump host|high|jonas.keller
web01|10.20.5.10|Ubuntu 24.04|linux|Public web site and careers portal|high|elif.yilmaz
web02|10.20.5.11|Ubuntu 24.04|linux|Web site, staging|low|elif.yilmaz
git01|10.20.2.61|Debian 12|linux|Source control|high|miriam.adler
ci01|10.20.2.62|Debian 12|linux|Build runner|high|bram.jansen
db01|10.20.2.63|Debian 12|linux|Telemetry database|high|fatima.benali
mx01|10.20.5.25|Debian 12|linux|Mail relay|high|jonas.keller
vpn01|10.20.5.30|Debian 12|linux|VPN gateway|high|jonas.keller
mon01|10.20.2.64|Debian 12|linux|Monitoring|medium|bram.jansen
wazuh01|10.20.2.65|Debian 12|linux|Wazuh manager|high|nadia.okafor
scan01|10.20.9.10|Debian 12|linux|Vulnerability scanner|medium|nadia.okafor
sensor01|10.20.9.11|Debian 12|linux|Network sensor|high|nadia.okafor
fw01|10.20.0.1|FortiOS 7.4|appliance|Firewall|critical|jonas.keller
RT-WS01|10.20.9.50|Windows 11|workstation|Red-team laptop, for the exercise only|low|nadia.okafor
"""


def _server(number: int, line: str) -> Host:
    name, address, system, role, purpose, criticality, owner = line.split("|")
    return Host(name, address, system, role, purpose, criticality, owner, 100 + number)


def _workstation(person: Person) -> Host:
    net = "10.30.1" if person.country == "NL" else "10.20.1"
    criticality = "high" if person.department in ("Management", "IT", "Finance") else "medium"
    address = f"{net}.{20 + person.number}"
    return Host(
        f"WS-{person.number:03d}",
        address,
        "Windows 11",
        "workstation",
        f"{person.department} workstation",
        criticality,
        person.sam,
        person.number,
    )


# Production technicians and the last few share terminals, so that 55 of 60 people have a machine of their own.
WORKSTATIONS: tuple[Host, ...] = tuple(
    _workstation(person) for person in PEOPLE if person.number not in (46, 47, 48, 59, 60)
)
SERVERS: tuple[Host, ...] = tuple(_server(number, line) for number, line in enumerate(_SERVERS.strip().splitlines()))
HOSTS: tuple[Host, ...] = WORKSTATIONS + SERVERS
HOST = {host.name: host for host in HOSTS}


def sid_of(sam: str) -> str:
    """The SID of a person, an account, a machine account or SYSTEM."""
    if sam.upper() == "SYSTEM" or sam.endswith("$"):
        return "S-1-5-18"
    if sam in BY_SAM:
        return BY_SAM[sam].sid
    return BY_ACCOUNT[sam].sid if sam in BY_ACCOUNT else f"{DOMAIN_SID}-{1400 + sum(sam.encode()) % 200}"


def workstation_of(sam: str) -> Host:
    """The machine of a person."""
    return next(host for host in WORKSTATIONS if host.owner == sam)
